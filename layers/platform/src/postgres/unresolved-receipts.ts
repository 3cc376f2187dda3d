import {
  executionGroup,
  executionRequestSchema,
  followUpJson,
  second,
  toText,
  type AccountLabel,
  type ExecutionAdapter,
  type Instant,
  type LimitValues,
  type OrderLedger,
  type UnresolvedReceipt,
} from '@torghut/domain';
import { lockAccount } from './account-lock.ts';
import { correlationId } from './correlation-id.ts';
import { refreshDecisionStatus } from './decision-status.ts';
import type { OrderTransactions } from './order-transactions.ts';
import { addToOutbox } from './outbox-store.ts';
import { inTransaction, type Pool } from './pool.ts';

const terminalStates = `('denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected')`;

/** Submits that may have worked, and what is owed to them until it is known. */
export const unresolvedReceipts = (
  pool: Pool,
  account: AccountLabel,
  limits: Pick<LimitValues, 'receiptLeaseSeconds' | 'orderMessageTtlSeconds' | 'unknownOutcomeSeconds'>,
  transact: OrderTransactions,
): Pick<OrderLedger, 'takeUnresolved' | 'recheckLater' | 'denyUnclaimed' | 'reviewFollowUps'> => {
  const nothing = async (select: string, values: readonly unknown[]): Promise<boolean> =>
    (await pool.query(`${select} LIMIT 1`, [...values])).rowCount === 0;

  return {
    takeUnresolved: async (now, limit, clientOrderId) => {
      const due = `account_label = $1 AND operation = 'submit' AND ($3::text IS NULL OR client_order_id = $3)
        AND ((state = 'io' AND lease_expires_at <= $2) OR (outcome = 'unknown' AND next_check_at <= $2))`;
      const values = [account, new Date(now), clientOrderId ?? null];
      if (await nothing(`SELECT FROM broker_receipts WHERE ${due}`, values)) return { receipts: [], unreadable: [] };
      return inTransaction(pool, async (client) => {
        await lockAccount(client, account);
        const taken = await client.query<{
          id: string;
          adapter: ExecutionAdapter;
          fencing_token: number;
          request_json: unknown;
          io_at: Instant | null;
          claimed_at: Instant;
          check_count: number;
          outcome_codes: readonly string[];
        }>(
          `UPDATE broker_receipts SET fencing_token = next_fencing_token(), lease_expires_at = $4
            WHERE id IN (SELECT id FROM broker_receipts WHERE ${due} ORDER BY lease_expires_at, claimed_at LIMIT $5)
            RETURNING id, adapter, fencing_token, request_json, io_at, claimed_at, check_count, outcome_codes`,
          [...values, new Date(now + limits.receiptLeaseSeconds * second), limit],
        );
        const receipts: UnresolvedReceipt[] = [];
        const unreadable: { receiptId: string; detail: string }[] = [];
        for (const row of taken.rows) {
          const request = executionRequestSchema.safeParse(row.request_json);
          if (!request.success) {
            unreadable.push({ receiptId: row.id, detail: request.error.message });
            continue;
          }
          receipts.push({
            permit: {
              receiptId: row.id,
              fencingToken: row.fencing_token,
              correlationId: correlationId(request.data.order.clientOrderId, row.adapter),
            },
            adapter: row.adapter,
            request: request.data,
            sentAt: row.io_at ?? row.claimed_at,
            codes: row.outcome_codes,
            checks: row.check_count,
          });
        }
        return { receipts, unreadable };
      });
    },

    recheckLater: (receipt, absent, { now, nextCheckAt }) =>
      inTransaction(pool, async (client) => {
        await lockAccount(client, account);
        const result = await client.query(
          `UPDATE broker_receipts SET next_check_at = $3, check_count = check_count + $4,
             state = 'settled', outcome = 'unknown', settled_at = coalesce(settled_at, $5)
           WHERE id = $1 AND fencing_token = $2 AND (state = 'io' OR outcome = 'unknown')`,
          [receipt.permit.receiptId, receipt.permit.fencingToken, new Date(nextCheckAt), absent ? 1 : 0, new Date(now)],
        );
        if (result.rowCount !== 1) return;
        const { request, permit } = receipt;
        await addToOutbox(client, [
          {
            topic: 'followUp',
            groupKey: executionGroup(request),
            // Every look takes the receipt under a token of its own, so the token numbers the looks.
            dedupId: `unknown_outcome:${permit.receiptId}:${permit.fencingToken}`,
            payload: followUpJson({
              accountLabel: account,
              clientOrderId: request.order.clientOrderId,
              reason: 'unknown_outcome',
            }),
            availableAt: nextCheckAt,
          },
        ]);
        await refreshDecisionStatus(client, request.tradeDecisionId);
      }),

    denyUnclaimed: async (now, olderThanSeconds) => {
      const select = `SELECT d.id FROM trade_decisions d
          WHERE d.account_label = $1 AND d.status IN ('planned', 'queued') AND d.expires_at < $2
            AND NOT EXISTS (SELECT FROM broker_receipts r WHERE r.trade_decision_id = d.id
                              AND (r.state = 'io' OR r.outcome = 'unknown' OR (r.state = 'claimed' AND r.lease_expires_at > $3)))`;
      // An order message expires a fixed time after its decision was made.
      const values = [
        account,
        new Date(now - (olderThanSeconds - limits.orderMessageTtlSeconds) * second),
        new Date(now),
      ];
      if (await nothing(select, values)) return 0;
      return inTransaction(pool, async (client) => {
        await lockAccount(client, account);
        const overdue = await client.query<{ id: string }>(select, values);
        for (const { id } of overdue.rows) {
          // A claim that was released and never taken up again ends with its decision.
          await client.query(
            `UPDATE broker_receipts SET state = 'settled', outcome = 'denied', settled_at = $2,
               outcome_codes = outcome_codes || '{decision_timeout_unsubmitted}'::text[]
             WHERE trade_decision_id = $1 AND operation = 'submit' AND state = 'claimed'`,
            [id, new Date(now)],
          );
          await refreshDecisionStatus(client, id, { denied: ['decision_timeout_unsubmitted'] });
        }
        return overdue.rows.length;
      });
    },

    reviewFollowUps: async (runId, now) => {
      const isOpen = `(state = 'io' OR outcome = 'unknown')`;
      const aged = `SELECT id, client_order_id, symbol, adapter, coalesce(io_at, claimed_at) AS sent_at, check_count FROM broker_receipts
        WHERE account_label = $1 AND operation = 'submit' AND ${isOpen} AND coalesce(io_at, claimed_at) <= $2`;
      const settled = `SELECT b.id FROM reconciliation_breaks b WHERE b.account_label = $1 AND b.status IN ('open', 'escalated') AND CASE b.break_type
          WHEN 'unknown_receipt_aged' THEN EXISTS (SELECT FROM broker_receipts r WHERE r.id = (b.ours ->> 'receipt')::uuid AND NOT ${isOpen.replaceAll(/\b(state|outcome)\b/g, 'r.$1')})
          WHEN 'stuck_pending_cancel' THEN EXISTS (SELECT FROM executions e WHERE e.id = (b.ours ->> 'execution')::uuid AND e.state IN ${terminalStates})
        END`;
      const agedValues = [account, new Date(now - limits.unknownOutcomeSeconds * second)];
      if ((await nothing(aged, agedValues)) && (await nothing(settled, [account]))) return;
      await transact(runId, now, async ({ client, record }) => {
        const found = await client.query<{
          id: string;
          client_order_id: string;
          symbol: string | null;
          adapter: ExecutionAdapter;
          sent_at: Instant;
          check_count: number;
        }>(aged, agedValues);
        for (const row of found.rows) {
          await record({
            type: 'unknown_receipt_aged',
            symbol: row.symbol,
            orderRef: row.client_order_id,
            identity: { receipt: row.id },
            ours: { receipt: row.id, adapter: row.adapter, sent_at: toText(row.sent_at) },
            theirs: { absent_looks: String(row.check_count) },
            healed: false,
          });
        }
        await client.query(
          `UPDATE reconciliation_breaks SET status = 'healed', healed_at = $2, heal_proof = jsonb_build_object('run', $3::text, 'settled_by', 'follow_up')
            WHERE id IN (${settled})`,
          [account, new Date(now), runId],
        );
      });
    },
  };
};
