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
  const written = await client.query(
    `INSERT INTO reconciliation_breaks (run_id, account_label, break_type, symbol, order_ref, ours, theirs, tolerance, severity,
       heal_policy, status, dedup_key, healed_at, heal_proof)
     SELECT $1::uuid, $2::text, $3, $4, $5::text, $6::jsonb, $7::jsonb, $8::jsonb, $9, $10, $11, $12::char(64), $13::timestamptz, $14::jsonb
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
      hashJson({ account, type: found.type, ...found.identity }),
      found.healed ? new Date(now) : null,
      found.healed ? jsonText({ run: runId, ...found.theirs }) : null,
    ],
  );
  if (written.rowCount !== 1) return false;
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
