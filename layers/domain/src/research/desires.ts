import type { BoundStrategy } from '../strategy/registry.ts';
import { viewOf, type FeatureColumns } from './features.ts';

/** What a strategy wants at the end of each bar, before cooldown, sizing and what is held. */
export interface Desires {
  /** 1 buy, -1 sell, 0 nothing. */
  readonly actions: Int8Array;
  /** Of an intent, 0..1; 0 without one. */
  readonly confidence: Float64Array;
  /** Rows shown to the strategy. */
  readonly evaluations: number;
  /** Conditions that failed, and how often. */
  readonly rejections: Readonly<Record<string, number>>;
}

/**
 * Shows every row of the contract's ranges to a strategy, through the evaluator that live trading calls. Depends on
 * nothing but its arguments; an exception of the strategy is not caught, since a candidate that fails is a failed run.
 */
export const desiresOf = (columns: FeatureColumns, inRange: Uint8Array, bound: BoundStrategy): Desires => {
  const rows = columns.price.length;
  const actions = new Int8Array(rows);
  const confidence = new Float64Array(rows);
  const rejections = new Map<string, number>();
  const needed = bound.requiredFeatures.map((name) => columns[name]);
  const view = viewOf(columns);
  let [evaluations, incomplete] = [0, 0];
  for (let row = 0; row < rows; row += 1) {
    if (inRange[row] === 0) continue;
    evaluations += 1;
    if (needed.some((column) => Number.isNaN(column[row] ?? Number.NaN))) {
      incomplete += 1;
      continue;
    }
    view.row = row;
    const evaluation = bound.evaluate(view);
    if (evaluation.kind === 'intent') {
      actions[row] = evaluation.action === 'buy' ? 1 : -1;
      confidence[row] = evaluation.confidence;
    } else {
      for (const condition of evaluation.conditions) rejections.set(condition, (rejections.get(condition) ?? 0) + 1);
    }
  }
  if (incomplete > 0) rejections.set('required_feature_null', incomplete);
  return { actions, confidence, evaluations, rejections: Object.fromEntries(rejections) };
};
