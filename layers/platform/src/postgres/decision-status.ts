import {
  deriveDecisionStatus,
  type DecisionStatus,
  type OrderState,
  type ReceiptOutcome,
  type ReceiptState,
} from '@torghut/domain';
import type { Queryable } from './pool.ts';

/**
 * Derives the status of a decision from its receipts and its executions as they stand in the caller's transaction, and
 * stores it. `reasons` are added when the decision ends without an order.
 */
export const refreshDecisionStatus = async (
  client: Queryable,
  decisionId: string,
  change: {
    readonly denied?: readonly string[];
    readonly reasons?: readonly string[];
    readonly details?: string;
    readonly executedAt?: Date;
  } = {},
): Promise<DecisionStatus> => {
  const facts = await client.query<{
    status: DecisionStatus;
    receipts: { state: ReceiptState; outcome: ReceiptOutcome | null }[];
    executions: { attempt: number; state: OrderState; replaced: boolean; filled: boolean }[];
  }>(
    `SELECT d.status,
       (SELECT coalesce(json_agg(json_build_object('state', r.state, 'outcome', r.outcome)), '[]')
          FROM broker_receipts r WHERE r.trade_decision_id = d.id AND r.operation = 'submit') AS receipts,
       (SELECT coalesce(json_agg(json_build_object('attempt', e.attempt, 'state', e.state, 'replaced', e.replaced_by_id IS NOT NULL,
                 'filled', e.filled_qty > 0) ORDER BY e.submitted_at, e.id), '[]')
          FROM executions e WHERE e.trade_decision_id = d.id) AS executions
     FROM trade_decisions d WHERE d.id = $1 FOR UPDATE OF d`,
    [decisionId],
  );
  const [row] = facts.rows;
  if (row === undefined) throw new Error(`expected decision ${decisionId}, found none`);
  const status = deriveDecisionStatus({
    denied: change.denied !== undefined || row.status === 'denied',
    // A worker that holds the message proves that it was published, whatever the publisher managed to record.
    published: row.status !== 'planned' || row.receipts.length > 0,
    receipts: row.receipts,
    executions: row.executions,
  });
  const reasons = [...(change.denied ?? []), ...(change.reasons ?? [])];
  await client.query(
    `UPDATE trade_decisions SET status = $2,
       reasons = CASE WHEN cardinality($3::text[]) > 0 AND NOT reasons @> $3::text[] THEN reasons || $3::text[] ELSE reasons END,
       reason_details = CASE WHEN $4::jsonb IS NULL THEN reason_details ELSE reason_details || $4::jsonb END,
       executed_at = coalesce(executed_at, $5)
     WHERE id = $1`,
    [decisionId, status, reasons, change.details ?? null, change.executedAt ?? null],
  );
  return status;
};
