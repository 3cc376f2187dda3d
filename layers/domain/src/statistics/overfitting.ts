import { firstNotFinite, noStatistic, type Statistic } from './outcome.ts';

/** Probability of backtest overfitting. */
export interface OverfittingProbability {
  /** Share of splits in which the best column in sample is at most median out of sample. */
  readonly pbo: number;
  readonly overfitSplits: number;
  readonly splits: number;
  /** Mean of the logits of the relative rank out of sample. */
  readonly meanLogit: number;
}

/** Rows are periods in time order, columns are trials; `values[row * columns + column]`. */
export interface ReturnMatrix {
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** A flat series scores 0; one that only gains, or only loses, the same each period scores without bound. */
const score = (sum: number, squares: number, count: number, centre: number, smallest: number): number => {
  const deviation = sum / count;
  const variance = (squares - sum * deviation) / (count - 1);
  const mean = deviation + centre;
  if (variance > smallest) return mean / Math.sqrt(variance);
  return mean === 0 ? 0 : Math.sign(mean) * Infinity;
};

/**
 * Combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017). Rows that do not fill the
 * blocks are dropped from the front. For every choice of half the blocks as in-sample: the column with the best
 * mean / deviation there (the first of equals), and its rank among all columns on the other half.
 * @param blocks even, at least 2, with at least 2 rows each
 */
export const overfittingProbability = (
  { values, rows, columns }: ReturnMatrix,
  blocks: number,
): Statistic<OverfittingProbability> => {
  if (columns < 2) return noStatistic('too_few_observations', `expected at least 2 trials, found ${columns}`);
  if (!(Number.isSafeInteger(blocks) && blocks >= 2 && blocks % 2 === 0))
    return noStatistic('parameter_out_of_range', `expected an even number of blocks from 2, found ${blocks}`);
  const length = Math.floor(rows / blocks);
  if (length < 2)
    return noStatistic(
      'too_few_observations',
      `expected at least ${2 * blocks} rows for ${blocks} blocks, found ${rows}`,
    );
  if (values.length !== rows * columns)
    return noStatistic('unequal_lengths', `expected ${rows} x ${columns} values, found ${values.length}`);
  const failure = firstNotFinite(values, 'returns');
  if (failure !== null) return failure;

  const first = rows - length * blocks;
  const used = length * blocks;
  // Sums are of deviations from the column's mean: sums of squares of the returns themselves would cancel.
  const centres = new Float64Array(columns);
  for (let row = first; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1)
      centres[column] = (centres[column] ?? 0) + (values[row * columns + column] ?? 0) / used;
  const sums = new Float64Array(blocks * columns);
  const squares = new Float64Array(blocks * columns);
  for (let row = first; row < rows; row += 1) {
    const block = Math.floor((row - first) / length) * columns;
    for (let column = 0; column < columns; column += 1) {
      const deviation = (values[row * columns + column] ?? 0) - (centres[column] ?? 0);
      sums[block + column] = (sums[block + column] ?? 0) + deviation;
      squares[block + column] = (squares[block + column] ?? 0) + deviation * deviation;
    }
  }
  const totalSums = new Float64Array(columns);
  const totalSquares = new Float64Array(columns);
  for (let block = 0; block < blocks; block += 1)
    for (let column = 0; column < columns; column += 1) {
      totalSums[column] = (totalSums[column] ?? 0) + (sums[block * columns + column] ?? 0);
      totalSquares[column] = (totalSquares[column] ?? 0) + (squares[block * columns + column] ?? 0);
    }
  // Below this a column's variance is the rounding of its mean.
  const smallest = Float64Array.from(centres, (centre) => (8 * Number.EPSILON * centre) ** 2);

  const half = blocks / 2;
  const count = half * length;
  const outside = new Float64Array(columns);
  // Depth-first over the chosen blocks, so that splits share the sums of their common beginning.
  const depthSums = Array.from({ length: half + 1 }, () => new Float64Array(columns));
  const depthSquares = Array.from({ length: half + 1 }, () => new Float64Array(columns));
  let [splits, overfitSplits, logits] = [0, 0, 0];

  const judge = (inSums: Float64Array, inSquares: Float64Array): void => {
    let [best, bestScore] = [0, -Infinity];
    for (let column = 0; column < columns; column += 1) {
      const sum = inSums[column] ?? 0;
      const square = inSquares[column] ?? 0;
      const centre = centres[column] ?? 0;
      const least = smallest[column] ?? 0;
      const inside = score(sum, square, count, centre, least);
      if (inside > bestScore) [best, bestScore] = [column, inside];
      outside[column] = score(
        (totalSums[column] ?? 0) - sum,
        (totalSquares[column] ?? 0) - square,
        count,
        centre,
        least,
      );
    }
    const own = outside[best] ?? 0;
    let rank = 1;
    for (let column = 0; column < columns; column += 1) if ((outside[column] ?? 0) < own) rank += 1;
    const relative = rank / (columns + 1);
    const logit = Math.log(relative / (1 - relative));
    splits += 1;
    logits += logit;
    if (logit <= 0) overfitSplits += 1;
  };

  const choose = (from: number, depth: number): void => {
    const inSums = depthSums[depth] ?? outside;
    const inSquares = depthSquares[depth] ?? outside;
    if (depth === half) {
      judge(inSums, inSquares);
      return;
    }
    const nextSums = depthSums[depth + 1] ?? outside;
    const nextSquares = depthSquares[depth + 1] ?? outside;
    for (let block = from; block <= blocks - (half - depth); block += 1) {
      for (let column = 0; column < columns; column += 1) {
        nextSums[column] = (inSums[column] ?? 0) + (sums[block * columns + column] ?? 0);
        nextSquares[column] = (inSquares[column] ?? 0) + (squares[block * columns + column] ?? 0);
      }
      choose(block + 1, depth + 1);
    }
  };
  choose(0, 0);
  return { ok: true, value: { pbo: overfitSplits / splits, overfitSplits, splits, meanLogit: logits / splits } };
};
