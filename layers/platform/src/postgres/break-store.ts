import {
  asTicker,
  breakHandling,
  executionAdapters,
  hashJson,
  type AccountLabel,
  type BreakType,
  type FoundBreak,
  type Instant,
  type Ticker,
} from '@torghut/domain';
import { setAdapterState } from './breaker-store.ts';
import { jsonText } from './json.ts';
import type { Queryable } from './pool.ts';
import { instantText } from './read-model/sql.ts';

export interface BreakContext {
  readonly account: AccountLabel;
  /** Only a run can hold breaks. */
  readonly runId: string;
  readonly now: Instant;
}

/**
 * Writes a break, and at once what contains it, in the caller's transaction. The same finding is not written again while it
 * is open, or once a person has accepted it. Returns whether it was written.
 */
export const recordBreak = async (
  client: Queryable,
  { account, runId, now }: BreakContext,
  found: FoundBreak,
): Promise<boolean> => {
  const { severity, healPolicy, containment } = breakHandling[found.type];
  const symbol = found.symbol === null ? null : asTicker(found.symbol);
  const dedupKey = hashJson({ account, type: found.type, ...found.identity });
  const written = await client.query(
    `INSERT INTO reconciliation_breaks (run_id, account_label, break_type, symbol, order_ref, ours, theirs, tolerance, severity,
       heal_policy, status, dedup_key, healed_at, heal_proof, last_found_at)
     SELECT $1::uuid, $2::text, $3, $4, $5::text, $6::jsonb, $7::jsonb, $8::jsonb, $9, $10, $11, $12::char(64), $13::timestamptz, $14::jsonb, $15::timestamptz
      WHERE NOT EXISTS (SELECT FROM reconciliation_breaks
                         WHERE account_label = $2::text AND dedup_key = $12::char(64) AND status <> 'healed')`,
    [
      runId,
      account,
      found.type,
      symbol,
      found.orderRef,
      jsonText(found.ours),
      jsonText(found.theirs),
      jsonText(found.tolerance ?? {}),
      found.severity ?? severity,
      healPolicy,
      found.healed ? 'healed' : 'open',
      dedupKey,
      found.healed ? new Date(now) : null,
      found.healed ? jsonText({ run: runId, ...found.theirs }) : null,
      new Date(now),
    ],
  );
  if (written.rowCount !== 1) {
    await client.query(
      `UPDATE reconciliation_breaks SET last_found_at = $3
        WHERE account_label = $1 AND dedup_key = $2 AND status <> 'healed' AND last_found_at < $3`,
      [account, dedupKey, new Date(now)],
    );
    return false;
  }
  if (symbol !== null && (containment === 'manual_review' || containment === 'disabled'))
    await closeSymbol(client, { account, now }, symbol, containment, found.type);
  return true;
};

/** Takes a symbol off both adapters until an operator has looked at it. A stricter state stays. */
const closeSymbol = async (
  client: Queryable,
  { account, now }: Pick<BreakContext, 'account' | 'now'>,
  symbol: Ticker,
  state: 'manual_review' | 'disabled',
  cause: BreakType,
): Promise<void> => {
  for (const adapter of executionAdapters) {
    await setAdapterState(
      client,
      {
        account,
        adapter,
        symbol,
        state,
        healthReason: cause,
        actor: 'reconciliation',
        reason: `break ${cause}: closed until an operator has looked at it`,
      },
      now,
    );
  }
};

/** A break that waits for a person; times are UTC text. */
export interface StandingBreak {
  readonly id: string;
  readonly created_at: string;
  readonly status: 'open' | 'escalated';
  readonly severity: string;
  readonly break_type: BreakType;
  readonly symbol: string | null;
  readonly order_ref: string | null;
  readonly ours: object;
  readonly theirs: object;
  /** When the first whole comparison began that no longer showed it; null when none was made since, or it shows it. */
  readonly agrees_since: string | null;
}

/** Breaks that each run of these scopes looks for anew in everything there is: one it does not find is gone. */
const comparedBy = Object.entries(breakHandling).flatMap(([type, { comparedBy: scopes }]) =>
  scopes.map((scope) => ({ type, scope })),
);

/** Open and escalated breaks, critical ones first. Another difference of the same kind and symbol is no agreement. */
export const listStandingBreaks = async (
  client: Queryable,
  account: AccountLabel,
): Promise<readonly StandingBreak[]> => {
  const { rows } = await client.query<StandingBreak>(
    `SELECT b.id, ${instantText('b.created_at')} AS created_at, b.status, b.severity, b.break_type, b.symbol, b.order_ref, b.ours, b.theirs,
       (SELECT ${instantText('min(r.started_at)')} FROM reconciliation_runs r
         WHERE r.account_label = $1 AND r.status = 'completed'
           AND r.scope IN (SELECT scope FROM jsonb_to_recordset($2::jsonb) AS compared (type text, scope text) WHERE type = b.break_type)
           AND r.started_at > (SELECT max(same.last_found_at) FROM reconciliation_breaks same
                                WHERE same.account_label = $1 AND same.break_type = b.break_type AND same.symbol IS NOT DISTINCT FROM b.symbol)
       ) AS agrees_since
       FROM reconciliation_breaks b
      WHERE b.account_label = $1 AND b.status IN ('open', 'escalated') ORDER BY b.severity = 'critical' DESC, b.created_at, b.id`,
    [account, jsonText(comparedBy)],
  );
  return rows;
};

/** What an operator decides about a break that waits for a person. */
export type BreakDecision = 'accepted' | 'escalated';

/**
 * Decides an open or escalated break. Accepting it adopts what the broker says: a position counts from the quantity it was
 * accepted with, cash from its amount, and what the break contained by itself is free again.
 * @returns the decided break, or null when there is none of this id that waits for a decision.
 */
export const decideBreak = async (
  client: Queryable,
  account: AccountLabel,
  breakId: string,
  decision: BreakDecision,
  actor: string,
  reason: string,
): Promise<{ readonly id: string; readonly break_type: BreakType; readonly symbol: string | null } | null> => {
  const result = await client.query<{ id: string; break_type: BreakType; symbol: string | null }>(
    `UPDATE reconciliation_breaks SET status = $3, status_by = $4, status_reason = $5, status_at = now()
      WHERE account_label = $1 AND id = $2 AND status IN ('open', 'escalated') RETURNING id, break_type, symbol`,
    [account, breakId, decision, actor, reason],
  );
  return result.rows[0] ?? null;
};
