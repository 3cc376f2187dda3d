import {
  isTerminal,
  second,
  sha256,
  type AccountLabel,
  type BrokerStatusMeaning,
  type Instant,
  type LimitValues,
  type OrderLedger,
  type OrderState,
  type ReceiptOutcome,
  type Ticker,
} from '@torghut/domain';
import { lockAccount } from './account-lock.ts';
import { jsonText } from './json.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';

/**
 * Settles requests to cancel whose answer never came by what the broker says of the order now. A worker that still waits
 * for its answer keeps its request, unless the order has ended.
 */
export const resolveCancels = async (
  client: Queryable,
  account: AccountLabel,
  orderId: string,
  meaning: BrokerStatusMeaning,
  now: Instant,
): Promise<void> => {
  const outcome: ReceiptOutcome = meaning.terminal
    ? 'already_satisfied'
    : meaning.state === 'pending_cancel'
      ? 'acknowledged'
      : 'not_found';
  await client.query(
    `UPDATE broker_receipts SET state = 'settled', outcome = $3, settled_at = coalesce(settled_at, $4), resolved_at = $4,
       outcome_codes = CASE state WHEN 'io' THEN array_append(outcome_codes, adapter || '_cancel_order_timeout') ELSE outcome_codes END
     WHERE account_label = $1 AND operation = 'cancel' AND broker_order_id = $2
       AND (outcome = 'unknown' OR (state = 'io' AND ($5 OR lease_expires_at <= $4)))`,
    [account, orderId, outcome, new Date(now), meaning.terminal],
  );
};

/** Requests to cancel, each under a receipt of its own. */
export const cancelReceipts = (
  pool: Pool,
  account: AccountLabel,
  limits: Pick<LimitValues, 'receiptLeaseSeconds'>,
): Pick<OrderLedger, 'claimCancel' | 'settleCancel'> => ({
  claimCancel: (execution, adapter, now) =>
    inTransaction(pool, async (client) => {
      await lockAccount(client, account);
      const row = await client.query<{
        state: OrderState;
        symbol: Ticker;
        attempt: number;
        trade_decision_id: string | null;
      }>(`SELECT state, symbol, attempt, trade_decision_id FROM executions WHERE id = $1`, [execution.id]);
      const [current] = row.rows;
      if (current === undefined || isTerminal(current.state)) return null;
      const body = { operation: 'cancel', broker_order_id: execution.brokerOrderId };
      const receipt = await client.query<{ id: string; fencing_token: number }>(
        `INSERT INTO broker_receipts (account_label, operation, trade_decision_id, client_order_id, attempt, adapter, symbol, request_sha256,
           request_json, state, outcome_codes, broker_order_id, fencing_token, lease_expires_at, claimed_at, io_at, check_count, control_snapshot)
         SELECT $1::text, 'cancel', $2::uuid, $3, $4::int, $5, $6, $7::char(64), $8::jsonb, 'io', '{}', $9::text, next_fencing_token(), $10::timestamptz, $11::timestamptz, $11::timestamptz, 0, '{}'
          WHERE NOT EXISTS (SELECT FROM broker_receipts WHERE account_label = $1::text AND operation = 'cancel' AND broker_order_id = $9::text
                              AND state <> 'settled' AND lease_expires_at > $11::timestamptz)
         RETURNING id, fencing_token`,
        [
          account,
          current.trade_decision_id,
          execution.clientOrderId,
          current.attempt,
          adapter,
          current.symbol,
          sha256(JSON.stringify(body)),
          jsonText(body),
          execution.brokerOrderId,
          new Date(now + limits.receiptLeaseSeconds * second),
          new Date(now),
        ],
      );
      const [claimed] = receipt.rows;
      if (claimed === undefined) return null;
      return {
        receiptId: claimed.id,
        fencingToken: claimed.fencing_token,
        correlationId: `torghut-${claimed.id.replaceAll('-', '').slice(0, 20)}`,
      };
    }),

  settleCancel: async (permit, adapter, outcome, now) => {
    const settled = { requested: 'acknowledged', already_terminal: 'already_satisfied', unknown: 'unknown' } as const;
    const codes = outcome.kind === 'unknown' ? [`${adapter}_cancel_order_${outcome.failure}`] : [];
    await inTransaction(pool, async (client) => {
      await lockAccount(client, account);
      await client.query(
        `UPDATE broker_receipts SET state = 'settled', outcome = $3, outcome_codes = $4, http_status = $5, x_request_id = $6, settled_at = $7 WHERE id = $1 AND fencing_token = $2 AND state = 'io'`,
        [
          permit.receiptId,
          permit.fencingToken,
          settled[outcome.kind],
          codes,
          outcome.exchange.status,
          outcome.exchange.requestId,
          new Date(now),
        ],
      );
    });
  },
});
