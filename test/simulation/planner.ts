import {
  clientOrderId,
  decimalText,
  decimal,
  decisionIdentity,
  executionGroup,
  executionRequestJson,
  floorTo,
  initialRoute,
  minute,
  second,
  toText,
  type AccountLabel,
  type ExecutionRequest,
  type Instant,
  type Ticker,
} from '@torghut/domain';
import { inTransaction, type Pool } from '@torghut/platform';
import { uuidOf } from '../../infra/local/twins/random.ts';
import { insertRow, sampleRow } from '../support/rows.ts';
import { midAt } from './market.ts';
import type { PlannedOrder, Scenario } from './scenario.ts';

const strategyId = 'intraday_tsmom_v1@prod';
const strategyVersion = '1.1.0';
const hash = 'ab'.repeat(32);
const timeframe = '1Min';

/**
 * Writes a decision with its message in one transaction, as the trading cycle does. What it says was known is of the
 * moment: the risk engine judges it again before anything is sent.
 */
export const planDecision = async (
  pool: Pool,
  account: AccountLabel,
  { symbols }: Scenario,
  order: PlannedOrder,
  now: Instant,
): Promise<void> => {
  const symbol = order.symbol as string as Ticker;
  const eventTs = now - 2 * second - Number(order.key.replace(/\D/g, ''));
  const identity = decisionIdentity({
    accountLabel: account,
    strategyId,
    strategyVersion,
    symbol,
    timeframe,
    eventTs,
    action: order.side,
  });
  const id = uuidOf(identity);
  const mid = midAt(order.symbol, now);
  const limit = mid * (1 + ((order.side === 'buy' ? 1 : -1) * order.aggressionBps) / 1e4);
  const request: ExecutionRequest = {
    accountLabel: account,
    tradeDecisionId: id,
    decisionIdentity: identity,
    attempt: 1,
    order: {
      clientOrderId: clientOrderId(identity, 1),
      symbol,
      side: order.side,
      qty: decimalText(decimal(String(order.qty))),
      type: 'limit',
      timeInForce: 'day',
      limitPrice: decimalText(decimal(limit.toFixed(2))),
      stopPrice: null,
    },
    decidedAt: now,
    expiresAt: now + minute,
    route: initialRoute(order.expected, `all:${order.expected}`),
  };
  const at = toText(now);
  const windowStart = toText(floorTo(now, minute) - minute);
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ strategy: string; contract: string }>(
      `SELECT (SELECT id FROM strategies WHERE strategy_id = $1) AS strategy,
              (SELECT id FROM feature_contracts WHERE status = 'active') AS contract`,
      [strategyId],
    );
    const [ids] = rows;
    await insertRow(client, 'universe_resolutions', {
      account_label: account,
      symbols,
      universe_hash: hash,
      status: 'ok',
      reason: 'jangar_fetch_ok',
      fetched_at: at,
      resolved_at: at,
    });
    const { rowCount } = await client.query(
      `SELECT FROM signal_windows WHERE account_label = $1 AND consumer = 'lane' AND window_start = $2`,
      [account, windowStart],
    );
    if (rowCount === 0)
      await insertRow(
        client,
        'signal_windows',
        sampleRow('signal_windows', {
          account_label: account,
          consumer: 'lane',
          window_start: windowStart,
          window_end: toText(floorTo(now, minute)),
        }),
      );
    await insertRow(
      client,
      'trade_decisions',
      sampleRow('trade_decisions', {
        id,
        account_label: account,
        decision_identity: identity,
        // The windows of the trading cycle are its own to write.
        consumer: 'lane',
        strategy_pk: ids?.strategy,
        feature_contract_id: ids?.contract,
        symbol,
        timeframe,
        event_ts: toText(eventTs),
        action: order.side,
        intent: order.side === 'buy' ? 'entry' : 'exit',
        qty: request.order.qty,
        limit_price: request.order.limitPrice,
        reference_price: mid.toFixed(4),
        reference_price_at: toText(eventTs),
        decision_json: { impact: { estimate_bps: '4' } },
        window_start: windowStart,
        watermark_event_ts: toText(eventTs),
        expires_at: toText(request.expiresAt),
      }),
    );
    await insertRow(client, 'outbox', {
      topic: order.expected,
      group_key: executionGroup(request),
      dedup_id: request.order.clientOrderId,
      payload: executionRequestJson(request),
      available_at: at,
      attempts: 0,
    });
  });
};
