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

/** Counts by name. There are few names, and a list of them is searched faster than a map hashes. */
class Tally {
  readonly #names: string[] = [];
  readonly #counts: number[] = [];

  add(name: string): void {
    const index = this.#names.indexOf(name);
    if (index === -1) {
      this.#names.push(name);
      this.#counts.push(1);
    } else {
      this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    }
  }

  entries(): [string, number][] {
    return this.#names.map((name, index) => [name, this.#counts[index] ?? 0]);
  }
}

/** 1 for each row in which one of the columns is NaN. */
const withoutOneOf = (columns: readonly Float64Array[], rows: number): Uint8Array => {
  const without = new Uint8Array(rows);
  for (const column of columns)
    for (let row = 0; row < rows; row += 1) if (Number.isNaN(column[row] ?? Number.NaN)) without[row] = 1;
  return without;
};

/**
 * Shows every row of the contract's ranges to a strategy, through the evaluator that live trading calls. Depends on
 * nothing but its arguments; an exception of the strategy is not caught, since a candidate that fails is a failed run.
 */
export const desiresOf = (columns: FeatureColumns, inRange: Uint8Array, bound: BoundStrategy): Desires => {
  const rows = columns.price.length;
  const actions = new Int8Array(rows);
  const confidence = new Float64Array(rows);
  const rejections = new Tally();
  const incomplete = withoutOneOf(
    bound.requiredFeatures.map((name) => columns[name]),
    rows,
  );
  const view = viewOf(columns);
  let evaluations = 0;
  let nulls = 0;
  for (let row = 0; row < rows; row += 1) {
    if (inRange[row] === 0) continue;
    evaluations += 1;
    if (incomplete[row] === 1) {
      nulls += 1;
      continue;
    }
    view.row = row;
    const evaluation = bound.evaluate(view);
    if (evaluation.kind === 'intent') {
      actions[row] = evaluation.action === 'buy' ? 1 : -1;
      confidence[row] = evaluation.confidence;
    } else {
      for (const condition of evaluation.conditions) rejections.add(condition);
    }
  }
  const counts = rejections.entries();
  if (nulls > 0) counts.push(['required_feature_null', nulls]);
  return { actions, confidence, evaluations, rejections: Object.fromEntries(counts) };
};
