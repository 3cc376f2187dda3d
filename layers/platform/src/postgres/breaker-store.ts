import {
  admit,
  closedBreaker,
  record,
  type AccountLabel,
  type AdapterStateName,
  type Breaker,
  type BreakerLimits,
  type BreakerState,
  type ExecutionAdapter,
  type Instant,
  type Ticker,
} from '@torghut/domain';
import { jsonText } from './json.ts';
import type { Queryable } from './pool.ts';

interface StateRow {
  readonly id: string;
  readonly symbol: string | null;
  readonly state: AdapterStateName;
  readonly breaker: BreakerState;
  readonly health_reason: string | null;
  readonly consecutive_failures: number;
  readonly opened_at: Instant | null;
  readonly half_open_at: Instant | null;
  readonly window_stats: {
    readonly open_seconds?: number;
    readonly half_open_successes?: number;
    readonly probe_at?: Instant | null;
    readonly samples?: readonly (readonly [Instant, 0 | 1])[];
  };
}

const breakerOf = (row: StateRow | undefined, limits: BreakerLimits): Breaker =>
  row === undefined
    ? closedBreaker(limits)
    : {
        state: row.breaker,
        consecutiveFailures: row.consecutive_failures,
        openedAt: row.opened_at,
        halfOpenAt: row.half_open_at,
        openSeconds: row.window_stats.open_seconds ?? limits.breakerOpenSeconds,
        halfOpenSuccesses: row.window_stats.half_open_successes ?? 0,
        probeAt: row.window_stats.probe_at ?? null,
        samples: row.window_stats.samples ?? [],
      };

const statsJson = (breaker: Breaker): string =>
  jsonText({
    open_seconds: breaker.openSeconds,
    half_open_successes: breaker.halfOpenSuccesses,
    probe_at: breaker.probeAt,
    samples: breaker.samples,
  });

/** The rows of an adapter and of one symbol on it. The caller holds the account's lock. */
const readRows = async (
  client: Queryable,
  account: AccountLabel,
  adapter: ExecutionAdapter,
  symbol: Ticker,
): Promise<StateRow[]> => {
  const result = await client.query<StateRow>(
    `SELECT id, symbol, state, breaker, health_reason, consecutive_failures, opened_at, half_open_at, window_stats FROM adapter_states
      WHERE account_label = $1 AND adapter = $2 AND (symbol IS NULL OR symbol = $3) AND superseded_at IS NULL`,
    [account, adapter, symbol],
  );
  return result.rows;
};

/** A change of one breaker: of the adapter, or of a symbol on it. */
export interface BreakerTransition {
  readonly adapter: ExecutionAdapter;
  readonly to: BreakerState;
}

/** Stores a breaker: samples accumulate on the row in force, a change of the breaker appends a row and is returned. */
const store = async (
  client: Queryable,
  key: { readonly account: AccountLabel; readonly adapter: ExecutionAdapter; readonly symbol: Ticker | null },
  row: StateRow | undefined,
  next: Breaker,
  now: Instant,
): Promise<readonly BreakerTransition[]> => {
  const at = new Date(now);
  if (row?.breaker === next.state) {
    await client.query(`UPDATE adapter_states SET consecutive_failures = $2, window_stats = $3 WHERE id = $1`, [
      row.id,
      next.consecutiveFailures,
      statsJson(next),
    ]);
    return [];
  }
  if (row !== undefined) await client.query(`UPDATE adapter_states SET superseded_at = $2 WHERE id = $1`, [row.id, at]);
  await client.query(
    `INSERT INTO adapter_states (account_label, adapter, symbol, state, breaker, health_reason, consecutive_failures,
       opened_at, half_open_at, window_stats, actor, reason, at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'breaker', $11, $12)`,
    [
      key.account,
      key.adapter,
      key.symbol,
      row?.state ?? 'enabled',
      next.state,
      row?.health_reason ?? null,
      next.consecutiveFailures,
      next.openedAt === null ? null : new Date(next.openedAt),
      next.halfOpenAt === null ? null : new Date(next.halfOpenAt),
      statsJson(next),
      row === undefined ? 'first observation' : `breaker ${row.breaker} to ${next.state}`,
      at,
    ],
  );
  return (row?.breaker ?? 'closed') === next.state ? [] : [{ adapter: key.adapter, to: next.state }];
};

/** Whether the breakers of the adapter and of the symbol on it let one request through now, and which changed by it. */
export const admitThroughBreakers = async (
  client: Queryable,
  account: AccountLabel,
  adapter: ExecutionAdapter,
  symbol: Ticker,
  now: Instant,
  limits: BreakerLimits,
): Promise<{ readonly admitted: boolean; readonly transitions: readonly BreakerTransition[] }> => {
  const rows = await readRows(client, account, adapter, symbol);
  const judged = rows.map((row) => ({ row, verdict: admit(breakerOf(row, limits), now, limits) }));
  if (judged.some(({ verdict }) => !verdict.admitted)) return { admitted: false, transitions: [] };
  const transitions: BreakerTransition[] = [];
  for (const { row, verdict } of judged) {
    // A closed breaker that admits is not changed.
    if (row.breaker === 'closed') continue;
    const key = { account, adapter, symbol: row.symbol as Ticker | null };
    transitions.push(...(await store(client, key, row, verdict.breaker, now)));
  }
  return { admitted: true, transitions };
};

/** Counts one finished exchange on both breakers; returns which changed by it. */
export const recordExchange = async (
  client: Queryable,
  account: AccountLabel,
  adapter: ExecutionAdapter,
  symbol: Ticker,
  failed: boolean,
  now: Instant,
  limits: BreakerLimits,
): Promise<readonly BreakerTransition[]> => {
  const rows = await readRows(client, account, adapter, symbol);
  const transitions: BreakerTransition[] = [];
  for (const scope of [null, symbol]) {
    const row = rows.find((one) => one.symbol === scope);
    // A symbol without a row of its own gets one with its first failure: its healthy answers are on the global row.
    if (row === undefined && scope !== null && !failed) continue;
    const next = record(breakerOf(row, limits), failed, now, limits);
    transitions.push(...(await store(client, { account, adapter, symbol: scope }, row, next, now)));
  }
  return transitions;
};
