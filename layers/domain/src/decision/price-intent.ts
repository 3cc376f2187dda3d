import type { Decimal } from '../decimal.ts';
import { priceMaxAgeMs, priceProblem, priceSnapshot, type PriceSnapshot } from '../features/reference-price.ts';
import type { LimitValues } from '../limits.ts';
import type { StrategyIntent } from '../strategy/evaluate.ts';
import { expectedCost, planOrder, type ExpectedCost, type OrderPlan } from './execution-policy.ts';

/** What the reference price alone makes of an intent. */
export interface PricedIntent {
  readonly price: PriceSnapshot;
  /** Null when the price may not be used for the signal. */
  readonly usable: Decimal | null;
  /** Null without a usable price. */
  readonly plan: OrderPlan | null;
}

export const priceIntent = (
  { intent, signal: { row, features } }: StrategyIntent,
  timeframe: string,
  limits: LimitValues,
): PricedIntent => {
  const price = priceSnapshot(row.price, row.priceAt);
  const usable = priceProblem(price, row.eventTs, priceMaxAgeMs(timeframe, limits)) === null ? price.price : null;
  const plan =
    usable === null
      ? null
      : planOrder(
          { action: intent.action, intent: intent.intent, reference: usable, spread: features.imbalance_spread },
          limits,
        );
  return { price, usable, plan };
};

/** The cost the model expects of a quantity; null without a usable price. */
export const costOf = (
  { usable, plan }: PricedIntent,
  qty: Decimal,
  { signal: { row, features } }: StrategyIntent,
  timeframe: string,
  limits: LimitValues,
): ExpectedCost | null =>
  plan === null || usable === null
    ? null
    : expectedCost(
        {
          reference: usable,
          halfSpread: plan.halfSpread,
          notional: qty.times(usable),
          timeframe,
          volatility: features.vol_realized_w60s,
          meanMinuteVolume: row.meanMinuteVolume20,
        },
        limits,
      );
