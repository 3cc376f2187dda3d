import {
  admit,
  closedBreaker,
  endsByItself,
  judgeHealth,
  newYorkDate,
  record,
  type AccountLabel,
  type AdapterStateName,
  type Breaker,
  type BreakerLimits,
  type BreakerSlot,
  type BreakerState,
  type ContinuityCode,
  type ExecutionAdapter,
  type HealthReason,
  type HealthRecorded,
  type Instant,
  type LimitValues,
  type Telemetry,
  type Ticker,
  type VenueHealth,
} from '@torghut/domain';
import { jsonText } from './json.ts';
import type { Queryable } from './pool.ts';

/** One row in force: an adapter as a whole, or (with a symbol) one symbol on it. */
export interface AdapterScope {
  readonly account: AccountLabel;
  readonly adapter: ExecutionAdapter;
  readonly symbol: Ticker | null;
}

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
    readonly window?: readonly BreakerSlot[];
    /** Kept by the health check; a breaker carries it along. */
    readonly health?: VenueHealth;
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
        window: row.window_stats.window ?? [],
      };

const statsJson = (breaker: Breaker, row: StateRow | undefined): string =>
  jsonText({
    health: row?.window_stats.health,
    open_seconds: breaker.openSeconds,
    half_open_successes: breaker.halfOpenSuccesses,
    probe_at: breaker.probeAt,
    window: breaker.window,
  });

/** The rows of an adapter and of one symbol on it. The caller holds the account's lock. */
const readRows = async (
  client: Queryable,
  account: AccountLabel,
  adapter: ExecutionAdapter,
  symbol: Ticker | null,
): Promise<StateRow[]> => {
  const result = await client.query<StateRow>(
    `SELECT id, symbol, state, breaker, health_reason, consecutive_failures, opened_at, half_open_at, window_stats FROM adapter_states
      WHERE account_label = $1 AND adapter = $2 AND (symbol IS NULL OR symbol = $3) AND superseded_at IS NULL`,
    [account, adapter, symbol],
  );
  return result.rows;
};

/** What changed, told apart by what is counted: a breaker, or the state that lets an adapter take orders. */
export type RouteTransition = { readonly adapter: ExecutionAdapter } & (
  { readonly kind: 'breaker'; readonly to: BreakerState } | { readonly kind: 'state'; readonly to: AdapterStateName }
);

/** Counts committed changes. */
export const countTransitions = (
  telemetry: Pick<Telemetry, 'count'>,
  transitions: readonly RouteTransition[],
): void => {
  for (const { kind, adapter, to } of transitions) {
    if (kind === 'breaker') telemetry.count('breaker_transitions_total', 1, { adapter, to });
    else telemetry.count('adapter_transitions_total', 1, { adapter, to });
  }
};

/** Appends the row that comes after `row`; what is not named goes on as it is. */
const supersede = async (
  client: Queryable,
  scope: AdapterScope,
  row: StateRow | undefined,
  next: {
    readonly state: AdapterStateName;
    readonly healthReason: string | null;
    readonly actor: string;
    readonly reason: string;
    readonly breaker?: Breaker;
    readonly windowStats?: string;
  },
  now: Instant,
): Promise<void> => {
  let at = new Date(now);
  const openedAt = next.breaker === undefined ? (row?.opened_at ?? null) : next.breaker.openedAt;
  const halfOpenAt = next.breaker === undefined ? (row?.half_open_at ?? null) : next.breaker.halfOpenAt;
  if (row !== undefined) {
    // Who waited for the account's lock brings an older time than who held it: the rows of a scope still follow each other.
    const { rows } = await client.query<{ superseded_at: Instant }>(
      `UPDATE adapter_states SET superseded_at = greatest($2, at) WHERE id = $1 RETURNING superseded_at`,
      [row.id, at],
    );
    at = new Date(rows[0]?.superseded_at ?? now);
  }
  await client.query(
    `INSERT INTO adapter_states (account_label, adapter, symbol, state, breaker, health_reason, consecutive_failures,
       opened_at, half_open_at, window_stats, actor, reason, at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      scope.account,
      scope.adapter,
      scope.symbol,
      next.state,
      next.breaker?.state ?? row?.breaker ?? 'closed',
      next.healthReason,
      next.breaker?.consecutiveFailures ?? row?.consecutive_failures ?? 0,
      openedAt === null ? null : new Date(openedAt),
      halfOpenAt === null ? null : new Date(halfOpenAt),
      next.windowStats ?? jsonText(row?.window_stats ?? {}),
      next.actor,
      next.reason,
      at,
    ],
  );
};

/** A state that the control plane itself sets. */
export interface AdapterContainment extends AdapterScope {
  readonly state: 'manual_review' | 'disabled';
  readonly healthReason: string;
  /** The part of the control plane that says so. */
  readonly actor: string;
  /** For whoever has to end it. */
  readonly reason: string;
}

/** States that leave less open come later. */
const strictness: readonly AdapterStateName[] = ['enabled', 'canary', 'manual_review', 'disabled'];

/**
 * Takes an adapter, or a symbol on it, out until an operator has looked. It only ever tightens: a state that is as strict
 * stays, with its reason, unless it would end by itself. Breaker and samples go on as they are.
 * @returns whether a row was appended: its change of state is then to be counted once committed (`countTransitions`).
 * @remarks The caller holds the account's lock.
 */
export const setAdapterState = async (
  client: Queryable,
  { state, healthReason, actor, reason, ...scope }: AdapterContainment,
  now: Instant,
): Promise<boolean> => {
  const row = (await readRows(client, scope.account, scope.adapter, scope.symbol)).find(
    (one) => one.symbol === scope.symbol,
  );
  const current = row?.state ?? 'enabled';
  const stays = strictness.indexOf(current) >= strictness.indexOf(state);
  if (stays && !(current === state && endsByItself(row?.health_reason ?? null))) return false;
  await supersede(client, scope, row, { state, healthReason, actor, reason }, now);
  return true;
};

/** Stores a breaker: samples accumulate on the row in force, a change of the breaker appends a row and is returned. */
const store = async (
  client: Queryable,
  scope: AdapterScope,
  row: StateRow | undefined,
  next: Breaker,
  now: Instant,
): Promise<readonly RouteTransition[]> => {
  if (row?.breaker === next.state) {
    await client.query(`UPDATE adapter_states SET consecutive_failures = $2, window_stats = $3 WHERE id = $1`, [
      row.id,
      next.consecutiveFailures,
      statsJson(next, row),
    ]);
    return [];
  }
  await supersede(
    client,
    scope,
    row,
    {
      state: row?.state ?? 'enabled',
      healthReason: row?.health_reason ?? null,
      actor: breakerActor,
      reason: row === undefined ? 'first observation' : `breaker ${row.breaker} to ${next.state}`,
      breaker: next,
      windowStats: statsJson(next, row),
    },
    now,
  );
  if ((row?.breaker ?? 'closed') === next.state) return [];
  return [{ kind: 'breaker', adapter: scope.adapter, to: next.state }];
};

/** Whether the breakers of the adapter and of the symbol on it let one request through now, and which changed by it. */
export const admitThroughBreakers = async (
  client: Queryable,
  account: AccountLabel,
  adapter: ExecutionAdapter,
  symbol: Ticker,
  now: Instant,
  limits: BreakerLimits,
): Promise<{ readonly admitted: boolean; readonly transitions: readonly RouteTransition[] }> => {
  const rows = await readRows(client, account, adapter, symbol);
  const judged = rows.map((row) => ({ row, verdict: admit(breakerOf(row, limits), now, limits) }));
  if (judged.some(({ verdict }) => !verdict.admitted)) return { admitted: false, transitions: [] };
  const transitions: RouteTransition[] = [];
  for (const { row, verdict } of judged) {
    // A closed breaker that admits is not changed.
    if (row.breaker === 'closed') continue;
    const scope = { account, adapter, symbol: row.symbol as Ticker | null };
    transitions.push(...(await store(client, scope, row, verdict.breaker, now)));
  }
  return { admitted: true, transitions };
};

/** Counts one finished exchange on both breakers; returns which changed by it, and what that took out. */
export const recordExchange = async (
  client: Queryable,
  account: AccountLabel,
  adapter: ExecutionAdapter,
  symbol: Ticker,
  failed: boolean,
  now: Instant,
  limits: ContainmentLimits,
): Promise<readonly RouteTransition[]> => {
  const rows = await readRows(client, account, adapter, symbol);
  const transitions: RouteTransition[] = [];
  for (const scope of [null, symbol]) {
    const row = rows.find((one) => one.symbol === scope);
    // A symbol without a row of its own gets one with its first failure: its healthy answers are on the global row.
    if (row === undefined && scope !== null && !failed) continue;
    const next = record(breakerOf(row, limits), failed, now, limits);
    const changed = await store(client, { account, adapter, symbol: scope }, row, next, now);
    transitions.push(...changed);
    if (scope === null && changed.some(({ to }) => to === 'open'))
      transitions.push(...(await containFlapping(client, account, adapter, now, limits)));
  }
  return transitions;
};

/** The limits by which failures take an adapter, or a symbol on it, out. */
export type ContainmentLimits = BreakerLimits & Pick<LimitValues, 'fallbackReviewCount'>;

const breakerActor = 'breaker';
export const breakerFlapping = 'breaker_flapping';
export const fallbackRepeated = 'fallback_repeated';

/** Start of the New York day of `$n`, which a session lies within. */
const sessionStart = (parameter: string): string => `((${parameter}::date)::timestamp AT TIME ZONE 'America/New_York')`;

/**
 * Disables LEAN as a whole when its breaker opened too often in one session. Openings before an operator ended the last
 * such state are settled. Nothing takes over for Alpaca, the broker of record: its breaker is all that keeps orders away.
 */
const containFlapping = async (
  client: Queryable,
  account: AccountLabel,
  adapter: ExecutionAdapter,
  now: Instant,
  limits: ContainmentLimits,
): Promise<readonly RouteTransition[]> => {
  if (adapter !== 'lean') return [];
  const { rows } = await client.query<{ openings: number }>(
    `SELECT count(DISTINCT opened_at)::int AS openings FROM adapter_states
      WHERE account_label = $1 AND adapter = $2 AND symbol IS NULL AND breaker = 'open' AND opened_at >= ${sessionStart('$3')}
        AND opened_at > coalesce((SELECT max(superseded_at) FROM adapter_states
                                   WHERE account_label = $1 AND adapter = $2 AND symbol IS NULL AND health_reason = $4), '-infinity')`,
    [account, adapter, newYorkDate(now), breakerFlapping],
  );
  const openings = rows[0]?.openings ?? 0;
  if (openings < limits.breakerFlappingOpenings) return [];
  const contained = await setAdapterState(
    client,
    {
      account,
      adapter,
      symbol: null,
      state: 'disabled',
      healthReason: breakerFlapping,
      actor: breakerActor,
      reason: `its breaker opened ${openings} times in the session: disabled until an operator enables it`,
    },
    now,
  );
  return contained ? [{ kind: 'state', adapter, to: 'disabled' }] : [];
};

/**
 * Puts a symbol on LEAN under review when its orders failed there, and were sent elsewhere, too often in one session. Runs
 * in the transaction that settles the newest of them. Orders that passed LEAN by without a failure do not count.
 */
export const containFallbacks = async (
  client: Queryable,
  account: AccountLabel,
  symbol: Ticker,
  now: Instant,
  limits: ContainmentLimits,
): Promise<readonly RouteTransition[]> => {
  const { rows } = await client.query<{ fallbacks: number }>(
    `SELECT count(*)::int AS fallbacks FROM broker_receipts
      WHERE account_label = $1 AND operation = 'submit' AND adapter = 'lean' AND symbol = $2
        AND outcome IN ('not_found', 'not_sent') AND io_at IS NOT NULL
        AND claimed_at >= ${sessionStart('$3')}
        AND coalesce(resolved_at, settled_at) > coalesce((SELECT max(superseded_at) FROM adapter_states
              WHERE account_label = $1 AND adapter = 'lean' AND symbol = $2 AND health_reason = $4), '-infinity')`,
    [account, symbol, newYorkDate(now), fallbackRepeated],
  );
  const fallbacks = rows[0]?.fallbacks ?? 0;
  if (fallbacks < limits.fallbackReviewCount) return [];
  const contained = await setAdapterState(
    client,
    {
      account,
      adapter: 'lean',
      symbol,
      state: 'manual_review',
      healthReason: fallbackRepeated,
      actor: 'router',
      reason: `${fallbacks} orders of it fell back in the session: under review until an operator enables it`,
    },
    now,
  );
  return contained ? [{ kind: 'state', adapter: 'lean', to: 'manual_review' }] : [];
};

export type HealthLimits = Pick<LimitValues, 'leanHealthFailures' | 'leanHealthSuccesses'>;

/**
 * Counts one health check of LEAN on the row of LEAN as a whole, and sets the state it leads to. LEAN that would come back
 * takes more orders than it does now, so that it waits for stable signals as it does when an operator raises it. Parity is
 * not asked for: it compares orders that LEAN took, and one outage would end the comparison for good.
 * @param continuity why signals are not stable now; asked for before a recovery only.
 * @remarks The caller holds the account's lock.
 */
export const recordHealth = async (
  client: Queryable,
  account: AccountLabel,
  reason: HealthReason | null,
  { at, now }: { readonly at: Instant; readonly now: Instant },
  limits: HealthLimits,
  continuity: () => Promise<readonly ContinuityCode[]>,
): Promise<HealthRecorded> => {
  const [row] = await readRows(client, account, 'lean', null);
  const verdict = judgeHealth(
    {
      state: row?.state ?? 'enabled',
      healthReason: row?.health_reason ?? null,
      health: row?.window_stats.health ?? null,
    },
    reason,
    at,
    limits,
  );
  if (verdict === null) return { set: null, heldBy: [] };
  const heldBy = verdict.set !== null && reason === null ? await continuity() : [];
  // Kept as it is, the next good check asks again.
  const health = heldBy.length === 0 ? verdict.health : { ...row?.window_stats.health, ...verdict.health };
  const windowStats = jsonText({ ...row?.window_stats, health });
  if ((verdict.set === null || heldBy.length > 0) && row !== undefined) {
    await client.query(`UPDATE adapter_states SET window_stats = $2 WHERE id = $1`, [row.id, windowStats]);
    return { set: null, heldBy };
  }
  const set = verdict.set ?? { state: 'enabled', healthReason: null };
  await supersede(
    client,
    { account, adapter: 'lean', symbol: null },
    row,
    {
      ...set,
      actor: 'lean-health',
      reason:
        verdict.set === null
          ? 'first observation'
          : reason === null
            ? `${verdict.health.successes} good health checks in a row`
            : `${verdict.health.failures} failed health checks in a row: ${reason}`,
      windowStats,
    },
    now,
  );
  return { set: verdict.set?.state ?? null, heldBy: [] };
};
