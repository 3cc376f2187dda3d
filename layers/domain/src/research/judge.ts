import type { Candidate } from './candidates.ts';
import type { CaseResult } from './case-result.ts';
import type { Block } from './blocks.ts';
import { simulatedProfits } from './metrics.ts';
import type { Fold } from './walk-forward.ts';

/** Which candidate is judged, and what the training of every fold would have chosen. */
export interface Selection {
  readonly judged: Candidate;
  /** Fold whose training chose; null without folds, where nothing but the configuration speaks for a candidate. */
  readonly foldName: string | null;
  /** By fold. */
  readonly perFold: readonly Candidate[];
}

/** Mean over deviation of profits per session; without deviation the sign of the mean decides. */
export const sessionScore = (nets: readonly number[]): number => {
  const mean = nets.reduce((sum, net) => sum + net, 0) / nets.length;
  const squares = nets.reduce((sum, net) => sum + (net - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, nets.length - 1));
  if (deviation > Number.EPSILON * Math.abs(mean)) return mean / deviation;
  return mean === 0 || nets.length === 0 ? 0 : Math.sign(mean) * Infinity;
};

const bestOf = (
  candidates: readonly Candidate[],
  profits: readonly (readonly number[])[],
  { train }: Fold,
): Candidate | undefined => {
  let best: { readonly candidate: Candidate; readonly score: number } | undefined;
  for (const [index, candidate] of candidates.entries()) {
    const score = sessionScore((profits[index] ?? []).slice(train.from, train.to));
    // The first of equals, and the configured candidate is the first of all: nothing is changed for nothing.
    if (best === undefined || score > best.score) best = { candidate, score };
  }
  return best?.candidate;
};

/**
 * Chooses on the training block of the first fold alone, so that no session that is tested has a say. What later folds
 * would have chosen is reported, not used.
 * @param results undisturbed runs, in the order of the candidates
 */
export const selectionOf = (
  candidates: readonly Candidate[],
  results: readonly CaseResult[],
  folds: readonly Fold[],
  blocks: readonly Block[],
): Selection => {
  const profits = results.map((result) => simulatedProfits(result, blocks));
  const perFold = folds.flatMap((fold) => bestOf(candidates, profits, fold) ?? []);
  const judged = perFold[0] ?? candidates[0];
  if (judged === undefined) throw new RangeError('expected candidates to choose from, found none');
  return { judged, foldName: folds[0]?.name ?? null, perFold };
};
