import {
  assessAdapterChange,
  operatorHealthReasons,
  type AccountLabel,
  type AdapterChange,
  type AdapterState,
  type AdapterStateName,
  type AdapterVerdict,
  type BreakerState,
  type ExecutionAdapter,
  type FreshnessLimits,
  type Instant,
  type StateAdapter,
  type Ticker,
} from '@torghut/domain';
import { lockAccount } from './account-lock.ts';
import { actorOf, rowIdOf, type OperatorChange } from './operator-change.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';
import { readParityStandings } from './read-model/parity.ts';
import { instantText } from './read-model/sql.ts';
import { readContinuity } from './signal-continuity.ts';

/** A row of `adapter_states`; times are UTC text. */
export interface StoredAdapterState {
  readonly id: string;
  readonly adapter: StateAdapter;
  readonly symbol: Ticker | null;
  readonly state: AdapterStateName;
  readonly breaker: BreakerState;
  readonly health_reason: string | null;
  readonly consecutive_failures: number;
  readonly actor: string;
  readonly reason: string;
  readonly at: string;
  readonly superseded_at: string | null;
}

export interface AdapterStateChange extends AdapterChange, OperatorChange {}

export interface AdapterChangeRules {
  readonly freshness: FreshnessLimits;
  readonly paritySymbols: readonly Ticker[];
  readonly parityMaxSessions: number;
}

export type AdapterStateChanged =
  /** `repeated`: the change of this token was made before and is told again. */
  | {
      readonly kind: 'changed';
      readonly row: StoredAdapterState;
      readonly from: AdapterStateName;
      readonly raise: boolean;
      readonly repeated: false;
    }
  | { readonly kind: 'changed'; readonly row: StoredAdapterState; readonly repeated: true }
  | { readonly kind: 'no_change'; readonly row: StoredAdapterState | null }
  | Extract<AdapterVerdict, { kind: 'refused' }>
  /** The token was used for another change. */
  | { readonly kind: 'token_reused'; readonly row: StoredAdapterState };

const columns = `id, adapter, symbol, state, breaker, health_reason, consecutive_failures, actor, reason,
  ${instantText('at')} AS at, ${instantText('superseded_at')} AS superseded_at`;

/** The states in force, and the newest rows of all, newest first. */
export interface AdapterStatesRead {
  readonly inForce: readonly StoredAdapterState[];
  readonly history: readonly StoredAdapterState[];
}

export const readAdapterStates = async (
  db: Queryable,
  account: AccountLabel,
  history: number,
): Promise<AdapterStatesRead> => {
  const inForce = await db.query<StoredAdapterState>(
    `SELECT ${columns} FROM adapter_states WHERE account_label = $1 AND superseded_at IS NULL
     ORDER BY adapter, symbol NULLS FIRST`,
    [account],
  );
  const newest = await db.query<StoredAdapterState>(
    `SELECT ${columns} FROM adapter_states s WHERE account_label = $1 ORDER BY s.at DESC, s.created_at DESC LIMIT $2`,
    [account, history],
  );
  return { inForce: inForce.rows, history: newest.rows };
};

/**
 * Supersedes the state of an adapter, or of a symbol on it, as an operator asks. Judged and written under the account's
 * lock: effective on the next claim. Breaker and samples go on as they are.
 */
export const changeAdapterState = (
  pool: Pool,
  account: AccountLabel,
  change: AdapterStateChange,
  rules: AdapterChangeRules,
  now: Instant,
): Promise<AdapterStateChanged> =>
  inTransaction(pool, async (client) => {
    await lockAccount(client, account);
    const id = change.requestId === null ? null : rowIdOf(account, 'adapter', change.requestId);
    const found = await client.query<StoredAdapterState>(
      `SELECT ${columns} FROM adapter_states WHERE account_label = $1 AND (superseded_at IS NULL OR id = $2)`,
      [account, id],
    );
    const told = found.rows.find((row) => row.id === id);
    if (told !== undefined) {
      const same =
        told.adapter === change.adapter &&
        told.symbol === change.symbol &&
        told.state === change.state &&
        told.reason === change.reason;
      return same ? { kind: 'changed', row: told, repeated: true } : { kind: 'token_reused', row: told };
    }
    const current = found.rows.find((row) => row.adapter === change.adapter && row.symbol === change.symbol);
    const verdict = assessAdapterChange(change, {
      states: found.rows.filter(isExecutionState).map(asAdapterState),
      continuity: await readContinuity(client, account, rules.freshness, now),
      paritySymbols: rules.paritySymbols,
      parity: await readParityStandings(client, account, rules.paritySymbols, now),
      parityMaxSessions: rules.parityMaxSessions,
    });
    if (verdict.kind === 'no_change') return { kind: 'no_change', row: current ?? null };
    if (verdict.kind === 'refused') return verdict;
    const row = await supersede(client, account, change, current ?? null, id, now);
    return { kind: 'changed', row, from: current?.state ?? 'enabled', raise: verdict.raise, repeated: false };
  });

type ExecutionState = StoredAdapterState & { readonly adapter: ExecutionAdapter };

const isExecutionState = (row: StoredAdapterState): row is ExecutionState => row.adapter !== 'llm';

const asAdapterState = ({ adapter, symbol, state, breaker, health_reason }: ExecutionState): AdapterState => ({
  adapter,
  symbol,
  state,
  breaker,
  healthReason: health_reason,
});

const supersede = async (
  client: Queryable,
  account: AccountLabel,
  change: AdapterStateChange,
  current: StoredAdapterState | null,
  id: string | null,
  now: Instant,
): Promise<StoredAdapterState> => {
  const at = new Date(now);
  if (current !== null)
    await client.query(`UPDATE adapter_states SET superseded_at = $2 WHERE id = $1`, [current.id, at]);
  const { rows } = await client.query<StoredAdapterState>(
    `INSERT INTO adapter_states (id, account_label, adapter, symbol, state, health_reason, actor, reason, at, breaker,
       consecutive_failures, opened_at, half_open_at, window_stats)
     SELECT coalesce($1::uuid, gen_random_uuid()), $2, $3, $4, $5, $6, $7, $8, $9::timestamptz, coalesce(previous.breaker, 'closed'),
       coalesce(previous.consecutive_failures, 0), previous.opened_at, previous.half_open_at,
       coalesce(previous.window_stats, '{}')
     FROM (VALUES (1)) AS one LEFT JOIN adapter_states previous ON previous.id = $10::uuid
     RETURNING ${columns}`,
    [
      id,
      account,
      change.adapter,
      change.symbol,
      change.state,
      operatorHealthReasons[change.state],
      actorOf(change.actor),
      change.reason,
      at,
      current?.id ?? null,
    ],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('expected the inserted adapter state, found none');
  return row;
};
