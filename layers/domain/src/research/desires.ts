import type { FeatureName } from '../features/contract.ts';
import type { Rejection } from '../strategy/plugin.ts';
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

/** Different rejections that are counted one by one; plugins have a few, which they make once. */
const mostRejections = 1_000;

/**
 * Counts the conditions of rejections. A market that is rejected stays so for many bars, and plugins make their rejections
 * once: as long as the same one comes again, nothing but its number grows.
 */
class RejectionTally {
  readonly #counts = new Map<string, number>();
  readonly #times = new Map<Rejection, number>();
  #last: Rejection | null = null;
  #inRow = 0;

  add(rejection: Rejection): void {
    if (rejection !== this.#last) {
      this.#keep();
      this.#last = rejection;
    }
    this.#inRow += 1;
  }

  #keep(): void {
    if (this.#last === null) return;
    this.#times.set(this.#last, (this.#times.get(this.#last) ?? 0) + this.#inRow);
    this.#inRow = 0;
    if (this.#times.size >= mostRejections) this.#flush();
  }

  #flush(): void {
    for (const [{ conditions }, times] of this.#times)
      for (const condition of conditions) this.#counts.set(condition, (this.#counts.get(condition) ?? 0) + times);
    this.#times.clear();
  }

  entries(): [string, number][] {
    this.#keep();
    this.#flush();
    return [...this.#counts];
  }
}

/** 1 for each row in which one of the columns is NaN. */
const withoutOneOf = (columns: readonly Float64Array[], rows: number): Uint8Array => {
  const without = new Uint8Array(rows);
  for (const column of columns)
    for (let row = 0; row < rows; row += 1) if (Number.isNaN(column[row] ?? Number.NaN)) without[row] = 1;
  return without;
};

/** Of columns that are asked about more than once: candidates of a strategy need the same ones. */
const incompleteRows = new WeakMap<FeatureColumns, Map<string, Uint8Array>>();
const incompleteRowsOf = (columns: FeatureColumns, names: readonly FeatureName[]): Uint8Array => {
  const known = incompleteRows.get(columns) ?? new Map<string, Uint8Array>();
  incompleteRows.set(columns, known);
  const key = names.join();
  const found =
    known.get(key) ??
    withoutOneOf(
      names.map((name) => columns[name]),
      columns.price.length,
    );
  known.set(key, found);
  return found;
};

/**
 * Shows every row of the contract's ranges to a strategy, through the evaluator that live trading calls. Depends on
 * nothing but its arguments; an exception of the strategy is not caught, since a candidate that fails is a failed run.
 */
export const desiresOf = (columns: FeatureColumns, inRange: Uint8Array, bound: BoundStrategy): Desires => {
  const rows = columns.price.length;
  const actions = new Int8Array(rows);
  const confidence = new Float64Array(rows);
  const rejections = new RejectionTally();
  const incomplete = incompleteRowsOf(columns, bound.requiredFeatures);
  const view = viewOf(columns, bound.requiredFeatures);
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
      rejections.add(evaluation);
    }
  }
  const counts = rejections.entries();
  if (nulls > 0) counts.push(['required_feature_null', nulls]);
  return { actions, confidence, evaluations, rejections: Object.fromEntries(counts) };
};
