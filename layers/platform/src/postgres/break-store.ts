import {
  asTicker,
  breakHandling,
  breakTypes,
  cashTolerance,
  executionAdapters,
  hashJson,
  type AccountLabel,
  type BreakType,
  type FoundBreak,
  type Instant,
  type Ticker,
} from '@torghut/domain';
import { lockAccount } from './account-lock.ts';
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
  /** When the first run began that compared and no longer found it; null when none was made since, or finds it. */
  readonly agrees_since: string | null;
}

const foundAnewTypes = breakTypes.filter((type) => breakHandling[type].foundAnew);

/** `$1`, `$2` and `$3` of a statement that asks `agreesSince`. */
const agreementValues = (account: AccountLabel): readonly unknown[] => [account, foundAnewTypes, cashTolerance];

/**
 * When the first run began that compared what a standing break `b` is about and no longer found it. Another difference of
 * the same kind and symbol is no agreement, and neither is cash that differs by no more than fees that are still due.
 */
const agreesSince = `(SELECT min(r.started_at) FROM reconciliation_runs r
  WHERE r.account_label = $1 AND r.status = 'completed' AND r.scope IN ('nightly', 'positions') AND b.break_type = ANY($2)
    AND (b.break_type <> 'cash_mismatch' OR (r.sources #>> '{cash,facts,provisional}' = '0'
      AND abs((r.sources #>> '{cash,facts,difference}')::numeric) <= $3::numeric))
    AND r.started_at > (SELECT max(same.last_found_at) FROM reconciliation_breaks same
                         WHERE same.account_label = $1 AND same.break_type = b.break_type AND same.symbol IS NOT DISTINCT FROM b.symbol))`;

/** Open and escalated breaks, critical ones first. */
export const listStandingBreaks = async (
  client: Queryable,
  account: AccountLabel,
): Promise<readonly StandingBreak[]> => {
  const { rows } = await client.query<StandingBreak>(
    `SELECT b.id, ${instantText('b.created_at')} AS created_at, b.status, b.severity, b.break_type, b.symbol, b.order_ref, b.ours, b.theirs,
       ${instantText(agreesSince)} AS agrees_since
       FROM reconciliation_breaks b
      WHERE b.account_label = $1 AND b.status IN ('open', 'escalated') ORDER BY b.severity = 'critical' DESC, b.created_at, b.id`,
    [...agreementValues(account)],
  );
  return rows;
};

/** What an operator decides about a break that waits for a person. */
export type BreakDecision = 'accepted' | 'escalated';

export interface DecidedBreak {
  readonly id: string;
  readonly break_type: BreakType;
  readonly symbol: string | null;
  /** Healed: it was accepted after it had gone by itself. */
  readonly status: BreakDecision | 'healed';
  /** UTC text; null unless healed. */
  readonly agrees_since: string | null;
}

/**
 * Decides an open or escalated break. Accepting it adopts what the broker says: a position counts from the quantity it was
 * accepted with, cash from its amount, and what the break contained by itself is free again. A difference that a later run
 * found gone is only closed: what the broker said then was not the last word, and counting from it would make the next
 * run find the opposite.
 * @param client in a transaction: the account is locked, so that no run finds it again meanwhile.
 * @returns null when there is none of this id that waits for a decision.
 */
export const decideBreak = async (
  client: Queryable,
  account: AccountLabel,
  breakId: string,
  decision: BreakDecision,
  actor: string,
  reason: string,
): Promise<DecidedBreak | null> => {
  await lockAccount(client, account);
  const result = await client.query<DecidedBreak>(
    `WITH standing AS (
       SELECT b.id, CASE WHEN $5 = 'accepted' THEN ${agreesSince} END AS agrees_since FROM reconciliation_breaks b
        WHERE b.account_label = $1 AND b.id = $4 AND b.status IN ('open', 'escalated')
     )
     UPDATE reconciliation_breaks AS decided SET status_by = $6, status_reason = $7, status_at = now(),
       status = CASE WHEN agrees_since IS NULL THEN $5 ELSE 'healed' END,
       healed_at = CASE WHEN agrees_since IS NOT NULL THEN now() END,
       heal_proof = CASE WHEN agrees_since IS NOT NULL
         THEN jsonb_build_object('settled_by', 'agreement', 'agrees_since', ${instantText('agrees_since')}) END
       FROM standing WHERE decided.id = standing.id
     RETURNING decided.id, break_type, symbol, status, ${instantText('agrees_since')} AS agrees_since`,
    [...agreementValues(account), breakId, decision, actor, reason],
  );
  return result.rows[0] ?? null;
};
