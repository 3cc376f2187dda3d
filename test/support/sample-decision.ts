import {
  clientOrderId,
  decisionIdentity,
  initialRoute,
  toText,
  type AccountLabel,
  type DecimalText,
  type ExecutionAdapter,
  type ExecutionRequest,
  type Instant,
  type Side,
  type Ticker,
} from '@torghut/domain';
import { sampleRow } from './rows.ts';

/** The strategy of the shipped catalog that sample decisions are of. */
export const sampleStrategy = { id: 'intraday_tsmom_v1@prod', version: '1.1.0' } as const;
const timeframe = '1Min';

export interface SampleOrder {
  readonly account: AccountLabel;
  readonly symbol: Ticker;
  readonly side: Side;
  readonly qty: DecimalText;
  readonly limitPrice: DecimalText;
  readonly expected: ExecutionAdapter;
  readonly eventTs: Instant;
  readonly decidedAt: Instant;
  readonly expiresAt: Instant;
}

/** What a router is asked for a limit order, with the ids that a trading cycle derives. */
export const sampleRequest = (order: SampleOrder): ExecutionRequest => {
  const { account, symbol, side, qty, limitPrice, expected, eventTs, decidedAt, expiresAt } = order;
  const identity = decisionIdentity({
    accountLabel: account,
    strategyId: sampleStrategy.id,
    strategyVersion: sampleStrategy.version,
    symbol,
    timeframe,
    eventTs,
    action: side,
  });
  return {
    accountLabel: account,
    tradeDecisionId: `${identity.slice(0, 8)}-${identity.slice(8, 12)}-8${identity.slice(13, 16)}-a${identity.slice(17, 20)}-${identity.slice(20, 32)}`,
    decisionIdentity: identity,
    attempt: 1,
    order: {
      clientOrderId: clientOrderId(identity, 1),
      symbol,
      side,
      qty,
      type: 'limit',
      timeInForce: 'day',
      limitPrice,
      stopPrice: null,
    },
    decidedAt,
    expiresAt,
    route: initialRoute(expected, `all:${expected}`),
  };
};

/** What its row needs beside the request. */
export interface SampleRowFacts {
  readonly strategyPk: string;
  readonly featureContractId: string;
  readonly windowStart: string;
  readonly eventTs: Instant;
  /** USD, as of the signal. */
  readonly referencePrice: DecimalText;
}

/** The row of `trade_decisions` that stands behind a request. */
export const sampleDecisionRow = (
  { tradeDecisionId, decisionIdentity: identity, order, expiresAt }: ExecutionRequest,
  { strategyPk, featureContractId, windowStart, eventTs, referencePrice }: SampleRowFacts,
  changes: Readonly<Record<string, unknown>> = {},
) =>
  sampleRow('trade_decisions', {
    id: tradeDecisionId,
    decision_identity: identity,
    strategy_pk: strategyPk,
    feature_contract_id: featureContractId,
    symbol: order.symbol,
    timeframe,
    event_ts: toText(eventTs),
    action: order.side,
    intent: order.side === 'buy' ? 'entry' : 'exit',
    qty: order.qty,
    limit_price: order.limitPrice,
    reference_price: referencePrice,
    reference_price_at: toText(eventTs),
    decision_json: { impact: { estimate_bps: '4' } },
    window_start: windowStart,
    watermark_event_ts: toText(eventTs),
    expires_at: toText(expiresAt),
    ...changes,
  });
