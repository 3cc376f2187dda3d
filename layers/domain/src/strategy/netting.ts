import { decimal, zero, type Decimal } from '../decimal.ts';
import type { StrategyIntent } from './evaluate.ts';

/** Confidence times notional; positive for buys, negative for sells. */
const weightOf = (one: StrategyIntent, notionalOf: (intent: StrategyIntent) => Decimal): Decimal => {
  const weight = notionalOf(one).times(decimal(one.intent.confidence.toFixed(4)));
  return one.intent.action === 'buy' ? weight : zero.minus(weight);
};

/** Highest priority first, then the lowest strategy id. */
const byPrecedence = (a: StrategyIntent, b: StrategyIntent): number =>
  b.strategy.priority - a.strategy.priority || (a.strategy.strategyId < b.strategy.strategyId ? -1 : 1);

const winner = (
  rivals: readonly StrategyIntent[],
  notionalOf: (intent: StrategyIntent) => Decimal,
): StrategyIntent | undefined => {
  const weighed = rivals
    .map((one) => ({ one, weight: weightOf(one, notionalOf) }))
    .sort((a, b) => byPrecedence(a.one, b.one));
  const sum = weighed.reduce((total, { weight }) => total.plus(weight), zero);
  if (sum.eq(zero)) return weighed[0]?.one;
  // The side is decided by the sum; on that side the heaviest intent speaks for all.
  const side = sum.gt(zero) ? 'buy' : 'sell';
  return weighed
    .filter(({ one }) => one.intent.action === side)
    .reduce((best, next) => (next.weight.abs().gt(best.weight.abs()) ? next : best)).one;
};

/**
 * At most one intent per symbol and event time remains: the side of sum(confidence x signed notional), and of that side
 * the heaviest intent. Ties go to the highest priority, then to the lowest strategy id. Order of the kept intents is the
 * order of the batch.
 */
export const netIntents = (
  intents: readonly StrategyIntent[],
  notionalOf: (intent: StrategyIntent) => Decimal,
): { readonly kept: readonly StrategyIntent[]; readonly nettedOut: readonly StrategyIntent[] } => {
  const groups = new Map<string, StrategyIntent[]>();
  for (const one of intents) {
    const key = `${one.signal.row.symbol} ${one.signal.row.eventTs}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  if (groups.size === intents.length) return { kept: intents, nettedOut: [] };
  const kept: StrategyIntent[] = [];
  const nettedOut: StrategyIntent[] = [];
  for (const group of groups.values()) {
    const best = group.length === 1 ? group[0] : winner(group, notionalOf);
    for (const one of group) (one === best ? kept : nettedOut).push(one);
  }
  return { kept, nettedOut };
};
