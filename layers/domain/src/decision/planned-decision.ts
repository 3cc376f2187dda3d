import type { Json } from '../canonical-json.ts';
import { decimalText, zero, type Decimal, type DecimalText } from '../decimal.ts';
import type { Consumer, ExecutionAdapter, IntentKind, OrderType, Side, Stage, TimeInForce } from '../enumerations.ts';
import type { AccountLabel, Hash, Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import type { DenialCode, RationaleCode, RiskCode } from '../reason-codes.ts';
import type { RiskOrder } from '../risk/context.ts';
import type { RiskVerdict } from '../risk/engine.ts';
import type { StrategyIntent } from '../strategy/evaluate.ts';
import { contentHash, decisionDocument } from './document.ts';
import type { ExpectedCost, OrderPlan } from './execution-policy.ts';
import { decisionIdentity, type DecisionKey } from './identity.ts';
import type { SizedIntent } from './size-intent.ts';

/** One row of `trade_decisions`, before the database adds its keys. */
export interface PlannedDecision {
  readonly accountLabel: AccountLabel;
  readonly decisionIdentity: Hash;
  readonly contentHash: Hash;
  readonly strategyPk: string;
  readonly strategyId: string;
  readonly strategyVersion: string;
  readonly symbol: Ticker;
  readonly timeframe: string;
  readonly eventTs: Instant;
  readonly action: Side;
  readonly intent: IntentKind;
  readonly orderType: OrderType;
  readonly timeInForce: TimeInForce;
  readonly qty: DecimalText;
  readonly limitPrice: DecimalText | null;
  readonly stopPrice: null;
  readonly referencePrice: DecimalText | null;
  readonly referencePriceAt: Instant | null;
  readonly confidence: number;
  readonly rationaleCodes: readonly RationaleCode[];
  readonly decisionJson: Readonly<Record<string, Json>>;
  readonly status: 'planned' | 'denied';
  /** Codes in table order; at least one exactly when denied. */
  readonly reasons: readonly DenialCode[];
  readonly reasonDetails: Readonly<Partial<Record<RiskCode, Json>>>;
  readonly consumer: Consumer;
  readonly windowStart: Instant;
  readonly capitalStage: Stage;
  readonly universeHash: Hash;
  readonly codeHash: Hash;
  readonly watermarkEventTs: Instant;
  readonly signalLagMs: number;
  readonly expiresAt: Instant;
  /** Time the order may rest at the broker. */
  readonly ttlSeconds: number;
  readonly expectedAdapter: ExecutionAdapter;
  readonly routePolicy: string;
  /** Cost the model expects, bps; null while an input of it is unknown. */
  readonly expectedCostBps: number | null;
}

/** Facts every decision of a batch carries. */
export interface DecisionProvenance {
  readonly accountLabel: AccountLabel;
  readonly timeframe: string;
  readonly window: { readonly consumer: Consumer; readonly start: Instant };
  readonly universeHash: Hash;
  readonly codeHash: Hash;
  /** Newest event time the batch had seen. */
  readonly watermarkEventTs: Instant;
}

export interface JudgedIntent {
  readonly source: StrategyIntent;
  readonly sized: SizedIntent;
  /** Null without a usable reference price. */
  readonly plan: OrderPlan | null;
  readonly cost: ExpectedCost | null;
  readonly order: RiskOrder;
  readonly verdict: RiskVerdict;
  readonly capitalStage: Stage;
  readonly ttlSeconds: number;
  readonly routeOf: (identity: Hash) => { readonly expected: ExecutionAdapter; readonly policy: string };
  readonly rejectionCounters: Readonly<Record<string, number>>;
  readonly now: Instant;
}

const text = (value: Decimal | null): DecimalText | null => (value === null ? null : decimalText(value));

/** Writes a judged intent down: identity, document, content hash and the columns of its row. */
export const plannedDecision = (provenance: DecisionProvenance, judged: JudgedIntent): PlannedDecision => {
  const { source, order, plan, verdict } = judged;
  const { strategy, intent, signal } = source;
  const { price } = order;
  const key: DecisionKey = {
    accountLabel: provenance.accountLabel,
    strategyId: strategy.strategyId,
    strategyVersion: strategy.bound.version,
    symbol: order.symbol,
    timeframe: provenance.timeframe,
    eventTs: order.eventTs,
    action: order.side,
  };
  const identity = decisionIdentity(key);
  const route = judged.routeOf(identity);
  const document = decisionDocument({
    key,
    qty: order.qty,
    plan,
    cost: judged.cost,
    signal,
    price,
    strategy,
    rejectionCounters: judged.rejectionCounters,
    sizing: judged.sized.record,
    checks: verdict.checks,
    route,
  });
  return {
    accountLabel: provenance.accountLabel,
    decisionIdentity: identity,
    contentHash: contentHash(document),
    strategyPk: strategy.strategyPk,
    strategyId: strategy.strategyId,
    strategyVersion: strategy.bound.version,
    symbol: order.symbol,
    timeframe: provenance.timeframe,
    eventTs: order.eventTs,
    action: order.side,
    intent: intent.intent,
    orderType: order.orderType,
    timeInForce: plan?.timeInForce ?? 'day',
    qty: decimalText(order.qty),
    limitPrice: text(order.limitPrice),
    stopPrice: null,
    referencePrice: price.price !== null && price.price.gt(zero) ? decimalText(price.price) : null,
    referencePriceAt: price.asOf,
    confidence: intent.confidence,
    rationaleCodes: intent.rationaleCodes,
    decisionJson: document,
    status: verdict.ok ? 'planned' : 'denied',
    reasons: verdict.ok ? [] : verdict.codes,
    reasonDetails: verdict.ok ? {} : verdict.details,
    consumer: provenance.window.consumer,
    windowStart: provenance.window.start,
    capitalStage: judged.capitalStage,
    universeHash: provenance.universeHash,
    codeHash: provenance.codeHash,
    watermarkEventTs: provenance.watermarkEventTs,
    signalLagMs: judged.now - order.eventTs,
    expiresAt: order.expiresAt,
    ttlSeconds: judged.ttlSeconds,
    expectedAdapter: route.expected,
    routePolicy: route.policy,
    expectedCostBps: judged.cost?.estimateBps ?? null,
  };
};
