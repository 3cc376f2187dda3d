import { zero, type Decimal } from '../decimal.ts';
import type { ExecutionAdapter } from '../enumerations.ts';
import { priceSnapshot } from '../features/reference-price.ts';
import type { FeatureRow } from '../features/row.ts';
import type { Hash, Ticker } from '../identifiers.ts';
import { second, type Instant } from '../instant.ts';
import type { DenialCode } from '../reason-codes.ts';
import type { RiskContext, RiskOrder } from '../risk/context.ts';
import { prepareRisk, type RiskBook } from '../risk/engine.ts';
import { cooldownKey, inCooldown } from '../strategy/cooldown.ts';
import {
  evaluateBatch,
  type EvaluationError,
  type RejectionCounters,
  type RunnableStrategy,
  type RuntimeCondition,
  type SkippedStrategy,
  type StrategyHealths,
  type StrategyIntent,
} from '../strategy/evaluate.ts';
import { netIntents } from '../strategy/netting.ts';
import {
  plannedDecision,
  type DecisionProvenance,
  type JudgedIntent,
  type PlannedDecision,
} from './planned-decision.ts';
import { costOf, priceIntent } from './price-intent.ts';
import { exitQty, sizeIntent } from './size-intent.ts';

/** The last denial of one account, strategy, symbol and action. */
export interface PastDenial {
  readonly eventTs: Instant;
  readonly reasons: readonly DenialCode[];
}

export interface DecideInput extends DecisionProvenance {
  /** Rows that passed the quality gate, in cursor order. */
  readonly rows: readonly FeatureRow[];
  readonly strategies: readonly RunnableStrategy[];
  readonly health: StrategyHealths;
  /** Event times of the last non-denied decisions, by `cooldownKey`. */
  readonly lastDecisionAt: ReadonlyMap<string, Instant>;
  /** Last denials within the cooldown, by `cooldownKey`. */
  readonly lastDenials: ReadonlyMap<string, PastDenial>;
  readonly risk: RiskContext;
  readonly route: (symbol: Ticker, identity: Hash) => { readonly expected: ExecutionAdapter; readonly policy: string };
}

export interface DecideOutcome {
  readonly decisions: readonly PlannedDecision[];
  /** Conditions that rejected, by strategy id. */
  readonly rejectionCounters: RejectionCounters;
  readonly errors: readonly EvaluationError[];
  readonly health: StrategyHealths;
  readonly skippedStrategies: readonly SkippedStrategy[];
  /** Rows shown to the strategies. */
  readonly signalsEvaluated: number;
}

const sameCodes = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((code, index) => code === b[index]);

/** Sizes an intent, plans its order and assesses it; nothing is reserved yet. */
const judge = (
  input: DecideInput,
  book: RiskBook,
  source: StrategyIntent,
  lastDecisionAt: Instant | null,
  rejectionCounters: RejectionCounters,
): JudgedIntent => {
  const { risk, timeframe } = input;
  const { limits, now } = risk;
  const { strategy, intent, signal } = source;
  const { row } = signal;
  const priced = priceIntent(source, timeframe, limits);
  const { price, plan } = priced;
  const sized = sizeIntent(risk, book, source, priced.usable);
  const cost = costOf(priced, sized.qty, source, timeframe, limits);
  const order: RiskOrder = {
    strategyId: strategy.strategyId,
    symbol: row.symbol,
    side: intent.action,
    timeframe,
    eventTs: row.eventTs,
    qty: sized.qty,
    orderType: plan?.orderType ?? 'limit',
    limitPrice: plan?.limitPrice ?? null,
    price,
    unbounded: sized.unbounded,
    expiresAt: now + limits.orderMessageTtlSeconds * second,
    meanMinuteVolume: row.meanMinuteVolume20,
    lastDecisionAt,
  };
  return {
    source,
    sized,
    plan,
    cost,
    order,
    verdict: book.assess(order),
    capitalStage: risk.strategies.get(strategy.strategyId)?.stage?.stage ?? 'shadow',
    ttlSeconds: plan?.ttlSeconds ?? (intent.intent === 'entry' ? limits.entryTtlSeconds : limits.exitTtlSeconds),
    routeOf: (identity) => input.route(row.symbol, identity),
    rejectionCounters: rejectionCounters[strategy.strategyId] ?? {},
    now,
  };
};

/**
 * Turns one batch of rows into decisions: evaluate, net, cool down, size, plan the order, assess the risk. Pure: equal
 * inputs give equal decisions. Intents are judged in row order, and each accepted one is exposure for those after it.
 *
 * Long only: a sell leaves a position. A sell with nothing to sell, an intent in its cooldown and a denial that repeats
 * the one before are counted as rejections and write no decision, or a held condition would fill every day with them.
 */
export const decide = (input: DecideInput): DecideOutcome => {
  const { accountLabel, risk } = input;
  const cooldownMs = risk.limits.cooldownSeconds * second;
  const book = prepareRisk(risk);
  const { intents, rejections, errors, health, skipped } = evaluateBatch(
    input.rows,
    input.timeframe,
    input.strategies,
    input.health,
    risk.now,
    risk.limits,
  );
  const evaluationCounters = rejections.snapshot();
  const lastDecisionAt = new Map(input.lastDecisionAt);
  const lastDenials = new Map(input.lastDenials);
  const decisions: PlannedDecision[] = [];

  const reject = (one: StrategyIntent, condition: RuntimeCondition): void => {
    rejections.add(one.strategy.strategyId, condition);
  };
  const executable = (one: StrategyIntent): boolean =>
    one.intent.action === 'buy' || exitQty(risk, book, one.signal.row.symbol).gt(zero);
  const notionalOf = ({ intent, signal: { row }, strategy }: StrategyIntent): Decimal =>
    intent.action === 'buy'
      ? book.caps(strategy.strategyId).maxNotional
      : exitQty(risk, book, row.symbol).times(priceSnapshot(row.price, row.priceAt).price ?? zero);

  const candidates = intents.filter((one) => {
    const possible = executable(one);
    if (!possible) reject(one, 'nothing_to_exit');
    return possible;
  });
  const { kept, nettedOut } = netIntents(candidates, notionalOf);
  for (const one of nettedOut) reject(one, 'netted_out');

  for (const one of kept) {
    const { eventTs, symbol } = one.signal.row;
    const key = cooldownKey(accountLabel, one.strategy.strategyId, symbol, one.intent.action);
    const last = lastDecisionAt.get(key) ?? null;
    if (inCooldown(last, eventTs, cooldownMs)) {
      reject(one, 'cooldown_active');
      continue;
    }
    // An exit accepted a moment ago in this batch may have taken all there was to sell.
    if (!executable(one)) {
      reject(one, 'nothing_to_exit');
      continue;
    }
    const judged = judge(input, book, one, last, evaluationCounters);
    if (judged.verdict.ok) {
      book.reserve(judged.order);
      lastDecisionAt.set(key, eventTs);
      lastDenials.delete(key);
    } else {
      const { codes } = judged.verdict;
      const before = lastDenials.get(key);
      if (before !== undefined && inCooldown(before.eventTs, eventTs, cooldownMs) && sameCodes(before.reasons, codes)) {
        reject(one, 'repeated_denial');
        continue;
      }
      lastDenials.set(key, { eventTs, reasons: codes });
    }
    decisions.push(plannedDecision(input, judged));
  }

  return {
    decisions,
    rejectionCounters: rejections.snapshot(),
    errors,
    health,
    skippedStrategies: skipped,
    signalsEvaluated: input.rows.length,
  };
};
