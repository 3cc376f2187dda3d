import { randomBytes } from 'node:crypto';
import { mkdtemp, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import {
  type AccountLabel,
  asTicker,
  type CalendarDay,
  fallbackCalendar,
  fallbackSession,
  hour,
  type Instant,
  minute,
  newYorkDate,
  second,
  toText,
  type TradingDay,
} from '@torghut/domain';
import { migrateClickHouse, saveCalendar, systemClock } from '@torghut/platform';
import pg from 'pg';
import { startClickHouse } from '../../infra/local/engines/clickhouse.ts';
import { startPostgres } from '../../infra/local/engines/postgres.ts';
import {
  type AlpacaTwin,
  type LeanTwin,
  type MarketData,
  type Quote,
  startAlpacaTwin,
  startJangarTwin,
  startLeanTwin,
} from '../../infra/local/twins/index.ts';
import { insertStream, type StreamRow } from '../support/stream.ts';
import type { Machine } from './machine.ts';

/**
 * What a deployment finds outside of AWS: a database, a signal store, venues, a market that is open, and the operator and
 * vendors who own the credentials. Everything listens on the loopback address.
 */
export interface World {
  readonly account: AccountLabel;
  /** Symbols that Jangar serves. */
  readonly symbols: readonly string[];
  /** Settings that name the endpoints, as environment variables of the synthesis. */
  readonly settings: Readonly<Record<string, string>>;
  /** Value of each secret, by its name in the contract. */
  readonly secrets: Readonly<Record<WorldSecret, Readonly<Record<string, string | number>>>>;
  /** Every value that must never be seen outside of Secrets Manager. */
  readonly confidential: readonly string[];
  readonly alpaca: AlpacaTwin;
  readonly lean: LeanTwin;
  /** The market's calendar as an operator imports it, with a session around the present. */
  openMarket(): Promise<void>;
  /** The operator lets this account trade on paper: kill switch off, trading and autonomy on, strategies in stage paper. */
  releaseTrading(): Promise<void>;
  /** What the ledger has of the research lane's runs, newest first. */
  researchRuns(): Promise<readonly ResearchRunRow[]>;
  /** The last sessions that have ended, newest first; half a month of them at most. */
  readonly pastSessions: readonly TradingDay[];
  /** What the technical-analysis stream delivers. */
  stream(...rows: readonly StreamRow[]): Promise<void>;
}

export interface ResearchRunRow {
  readonly run_id: string;
  readonly status: string;
  readonly no_signal_reason: string | null;
  readonly failure_code: string | null;
  readonly failure_detail: unknown;
  readonly window_end: Date;
  readonly manifest_sha256: string | null;
}

export type WorldSecret = 'database' | 'databaseOwner' | 'clickhouse' | 'alpaca' | 'lean' | 'jangar';

const database = 'torghut';
const seed = 20_260_213;

/** Bid and ask of every symbol, around the price of the rows of the stream; once a second. */
const standingQuote = (at: Instant): Quote => ({ at, bid: '99.99', ask: '100.01' });

const marketSince = (startedAt: Instant): MarketData => ({
  quoteAt: (_symbol, at) => standingQuote(Math.floor(at / second) * second),
  *quotesBetween(_symbol, after, until) {
    for (let at = (Math.floor(Math.max(after, startedAt) / second) + 1) * second; at <= until; at += second)
      yield standingQuote(at);
  },
});

/**
 * The calendar by rule, except that a session lies around `now` whatever day or hour it is. It stands under two dates when
 * midnight in New York is near, so that the run may pass it.
 */
const calendarAround = (now: Instant): ((date: string) => CalendarDay) => {
  const dates = new Set([newYorkDate(now), newYorkDate(now + hour)]);
  return (date) =>
    dates.has(date)
      ? {
          date,
          kind: 'full',
          openAt: now - 20 * minute,
          closeAt: now + 6 * hour,
          extendedOpenAt: null,
          extendedCloseAt: null,
          settlementDate: null,
        }
      : fallbackSession(date);
};

const secretText = (name: string): string => `confidential-${name}-${randomBytes(12).toString('hex')}`;

export const startWorld = async (machine: Machine): Promise<World> => {
  const { cleanup } = machine;
  const startedAt = Date.now();
  const clock = systemClock;
  const account = 'paper' as AccountLabel;
  const symbols = ['EMA', 'EMB', 'EMC', 'EMD'].map((symbol) => asTicker(symbol) ?? symbol);

  const directory = await mkdtemp(join(machine.directory, 'world-'));
  // Started by root, PostgreSQL runs as another user, who has to get through to its own directory.
  await chmod(machine.directory, 0o711);
  await chmod(directory, 0o711);
  const clickhouseLogin = { username: 'torghut', password: secretText('clickhouse') };
  const [postgres, clickhouseEngine] = await Promise.all([
    startPostgres({ dataDir: join(directory, 'postgres'), persistent: false }).then((started) => {
      cleanup.defer(() => started.stop());
      return started;
    }),
    startClickHouse({ dataDir: join(directory, 'clickhouse'), credentials: clickhouseLogin }).then((started) => {
      cleanup.defer(() => started.stop());
      return started;
    }),
  ]);
  await postgres.createDatabase(database);
  const clickhouse = await openClickHouse(clickhouseEngine.url, clickhouseLogin);
  cleanup.defer(() => clickhouse.close());

  const calendar = calendarAround(startedAt);
  const credentials = { keyId: secretText('alpaca-key'), secretKey: secretText('alpaca-secret') };
  const alpaca = await startAlpacaTwin({ clock, marketData: marketSince(startedAt), symbols, seed, calendar });
  cleanup.defer(() => alpaca.stop());
  const lean = await startLeanTwin({ clock, brokerUrl: alpaca.url, credentials, seed });
  cleanup.defer(() => lean.stop());
  const jangar = await startJangarTwin({ clock, symbols, seed });
  cleanup.defer(() => jangar.stop());

  const owner = new URL(postgres.adminUrl(database));
  const place = { host: postgres.host, port: postgres.port, dbname: database };
  const secrets = {
    database: { ...place, username: 'torghut_app', password: secretText('database') },
    databaseOwner: { ...place, username: owner.username, password: decodeURIComponent(owner.password) },
    clickhouse: clickhouseLogin,
    alpaca: { key_id: credentials.keyId, secret_key: credentials.secretKey },
    lean: { api_key: secretText('lean') },
    jangar: { api_key: secretText('jangar') },
  };

  const asOwner = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: postgres.adminUrl(database) });
    await client.connect();
    try {
      await client.query('SET ROLE torghut_owner');
      return await work(client);
    } finally {
      await client.end();
    }
  };

  return {
    account,
    symbols,
    secrets,
    settings: {
      TORGHUT_PAPER_ACCOUNT_LABEL: account,
      TORGHUT_PAPER_CLICKHOUSE_URL: clickhouseEngine.url,
      TORGHUT_PAPER_JANGAR_SYMBOLS_URL: jangar.url,
      TORGHUT_PAPER_LEAN_RUNNER_URL: lean.url,
      TORGHUT_PAPER_ALPACA_URL: alpaca.url,
    },
    confidential: [
      secrets.database.password,
      secrets.databaseOwner.password,
      secrets.clickhouse.password,
      secrets.alpaca.key_id,
      secrets.alpaca.secret_key,
      secrets.lean.api_key,
      secrets.jangar.api_key,
    ],
    alpaca,
    lean,
    pastSessions: fallbackCalendar(newYorkDate(startedAt - 600 * hour), newYorkDate(startedAt - 24 * hour))
      .filter((day): day is TradingDay => day.kind !== 'closed' && day.closeAt < startedAt - 20 * minute)
      .toReversed(),
    openMarket: () =>
      asOwner(async (client) => {
        const day = (at: Instant): string => newYorkDate(at);
        const dates = fallbackCalendar(day(startedAt - 600 * hour), day(startedAt + 960 * hour));
        await saveCalendar(
          client,
          dates.map(({ date }) => calendar(date)),
          'alpaca',
          startedAt,
        );
      }),
    releaseTrading: () =>
      asOwner(async (client) => {
        const at = toText(Date.now());
        const controls = [
          { control: 'kill_switch', engaged: false },
          { control: 'trading_enabled', engaged: true },
          { control: 'autonomy_enabled', engaged: true },
        ];
        for (const { control, engaged } of controls) {
          await client.query(
            `UPDATE trading_controls SET superseded_at = $3
               WHERE account_label = $1 AND control = $2 AND superseded_at IS NULL`,
            [account, control, at],
          );
          await client.query(
            `INSERT INTO trading_controls (account_label, control, engaged, reasons, actor, note, at)
             VALUES ($1, $2, $3, '[]', 'emulator-operator', 'released for the emulator run', $4)`,
            [account, control, engaged, at],
          );
        }
        const { rows } = await client.query<{ strategy_pk: string }>(
          `UPDATE capital_stages SET superseded_at = $2 WHERE account_label = $1 AND superseded_at IS NULL
           RETURNING strategy_pk`,
          [account, at],
        );
        await client.query(
          `INSERT INTO capital_stages (account_label, strategy_pk, stage, level, symbols, cause, codes, actor, entered_at)
           SELECT $1, strategy_pk, 'paper', 'L0', '{}', 'operator', '{}', 'emulator-operator', $3
             FROM unnest($2::uuid[]) AS strategy_pk`,
          [account, rows.map(({ strategy_pk }) => strategy_pk), at],
        );
      }),
    researchRuns: () =>
      asOwner(async (client) => {
        const { rows } = await client.query<ResearchRunRow>(
          `SELECT run_id, status, no_signal_reason, failure_code, failure_detail, window_end, manifest_sha256
             FROM research_runs WHERE account_label = $1 ORDER BY window_end DESC, created_at DESC`,
          [account],
        );
        return rows;
      }),
    stream: (...rows) => insertStream(clickhouse, rows),
  };
};

const openClickHouse = async (
  url: string,
  login: { readonly username: string; readonly password: string },
): Promise<ClickHouseClient> => {
  const bootstrap = createClient({ url, ...login });
  await bootstrap.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` });
  await bootstrap.close();
  const client = createClient({ url, ...login, database });
  await migrateClickHouse(client, join(import.meta.dirname, '../../migrations/clickhouse'), {
    replicated: false,
    ttl: false,
  });
  return client;
};
