import { ClickHouseError, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client';
import { second, type Clock } from '@torghut/domain';
import { withRenewal, type Credentials } from '../aws/credentials.ts';
import { SecretUnavailable } from '../aws/secrets-reader.ts';
import { systemClock } from '../clock.ts';

export interface ClickHouseCredentials {
  readonly username: string;
  readonly password: string;
}

export interface ClickHouseConfig {
  readonly url: string;
  readonly credentials: Credentials<ClickHouseCredentials>;
  readonly database?: string;
  /** Of one query, answer included; 5 by default. */
  readonly timeoutSeconds?: number;
  readonly clock?: Clock;
}

export type ClickHouseParameter = string | number | bigint | boolean | null | readonly (string | number | null)[];

export interface ClickHouseQuery<Row> {
  /** One SELECT without a FORMAT clause; values enter as `{name: Type}` placeholders only. */
  readonly sql: string;
  readonly parameters?: Readonly<Record<string, ClickHouseParameter>>;
  readonly settings?: ClickHouseSettings;
  /**
   * Makes a row of the selected values in the order of the SELECT; 64-bit integers arrive as text. An error it throws
   * fails the query. Without it the values are returned as they are and the caller checks them.
   */
  readonly row?: (values: readonly unknown[]) => Row;
}

export type ClickHouseFailure = {
  readonly ok: false;
  /**
   * - `unreachable`: no connection, or it broke, or there are no credentials to ask with.
   * - `timeout`: no complete answer in time, here or by the server's own limit.
   * - `query_failed`: the server refused, or the answer is not what was expected.
   */
  readonly failure: 'unreachable' | 'timeout' | 'query_failed';
  readonly detail: string;
};
export type ClickHouseAnswer<Row> = { readonly ok: true; readonly rows: readonly Row[] } | ClickHouseFailure;

/**
 * Bounded reads of ClickHouse. Nothing is retried, because the next cycle is the retry, but a query that was refused for its
 * credentials: it is sent once more with renewed ones.
 */
export interface ClickHouse {
  query<Row = readonly unknown[]>(query: ClickHouseQuery<Row>): Promise<ClickHouseAnswer<Row>>;
  close(): Promise<void>;
}

/** Code of TIMEOUT_EXCEEDED, the server's own limit of execution time. */
const timeoutExceeded = '159';
/** Codes of AUTHENTICATION_FAILED, and of what it was called in older servers. */
const authenticationFailed: ReadonlySet<string> = new Set(['516', '192', '193', '194']);

type Asked =
  { readonly ok: true; readonly rows: readonly unknown[] } | (ClickHouseFailure & { readonly refused: boolean });

/**
 * The official client behind outcomes that are values. Rows travel as `JSONCompactEachRow`, which is the cheapest of the
 * text formats to read; 64-bit integers are quoted, because a JSON number cannot hold them.
 */
export const createClickHouse = (config: ClickHouseConfig): ClickHouse => {
  const timeoutMs = (config.timeoutSeconds ?? 5) * second;
  const clock = config.clock ?? systemClock;
  const client = createClient({
    url: config.url,
    ...(config.database === undefined ? {} : { database: config.database }),
    // The clock's deadline comes first; this one is the net below it.
    request_timeout: timeoutMs + second,
    keep_alive: { enabled: true },
    // Long lists of parameters travel in the body: a URL of tens of kilobytes is refused on the way.
    use_multipart_params_auto: true,
    // Failures are in the outcome, for the caller to log.
    log: { level: ClickHouseLogLevel.OFF },
    clickhouse_settings: { output_format_json_quote_64bit_integers: 1, max_execution_time: timeoutMs / second },
  });

  /** One exchange of a statement, with the credentials of the moment: they may be replaced while the client lives. */
  const ask = async (query: ClickHouseQuery<unknown>, auth: ClickHouseCredentials): Promise<Asked> => {
    const deadline = clock.deadline(timeoutMs);
    try {
      const answer = await client.query({
        query: query.sql,
        format: 'JSONCompactEachRow',
        abort_signal: deadline,
        auth: { ...auth },
        ...(query.parameters === undefined ? {} : { query_params: query.parameters }),
        ...(query.settings === undefined ? {} : { clickhouse_settings: query.settings }),
      });
      return { ok: true, rows: await answer.json<unknown>() };
    } catch (error) {
      return {
        refused: error instanceof ClickHouseError && authenticationFailed.has(error.code),
        ...failureOf(error, deadline, timeoutMs),
      };
    }
  };

  return {
    query: async <Row>(query: ClickHouseQuery<Row>) => {
      const asked = await withRenewal(
        config.credentials,
        (auth) => ask(query, auth),
        (result) => !result.ok && result.refused,
      ).catch((error: unknown): Asked => {
        if (!(error instanceof SecretUnavailable)) throw error;
        return { ok: false, failure: 'unreachable', detail: error.message, refused: false };
      });
      if (!asked.ok) return { ok: false, failure: asked.failure, detail: asked.detail };
      const rows: Row[] = [];
      for (const [index, row] of asked.rows.entries()) {
        try {
          rows.push(query.row === undefined ? (row as Row) : query.row(row as readonly unknown[]));
        } catch (error) {
          return { ok: false, failure: 'query_failed', detail: `row ${index} of the answer: ${messageOf(error)}` };
        }
      }
      return { ok: true, rows };
    },
    close: () => client.close(),
  };
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const failureOf = (error: unknown, deadline: AbortSignal, timeoutMs: number): ClickHouseFailure => {
  if (error instanceof ClickHouseError) {
    return {
      ok: false,
      failure: error.code === timeoutExceeded ? 'timeout' : 'query_failed',
      detail: `${error.type ?? 'error'} ${error.code}: ${error.message}`,
    };
  }
  if (deadline.aborted || (error instanceof Error && error.message.startsWith('Timeout'))) {
    return { ok: false, failure: 'timeout', detail: `no complete answer within ${timeoutMs} ms` };
  }
  if (error instanceof SyntaxError) {
    return { ok: false, failure: 'query_failed', detail: `the answer is not JSONCompactEachRow: ${error.message}` };
  }
  return { ok: false, failure: 'unreachable', detail: describeNetworkError(error) };
};

/** Connection attempts to several addresses fail with an error that has no message of its own. */
const describeNetworkError = (error: unknown): string =>
  error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error);
