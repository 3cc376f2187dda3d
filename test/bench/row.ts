/** One measured figure, and whether it is within its goal. */
export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The least the same work can cost on the same machine in the same run, in `unit`; null where there is no such thing. */
  readonly floor: number | null;
  /** How many times the floor is paid, whichever way `unit` counts; null without a floor. */
  readonly ratio: number | null;
  /** The condition that `met` answers, such as `ratio <= 2`. */
  readonly goal: string;
  readonly met: boolean;
}

/** What a figure has to keep: an upper bound on the ratio to its floor, or on the value itself. */
export interface Goal {
  readonly of: 'ratio' | 'value';
  readonly atMost: number;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly floor?: number;
  /** Whether more is better, as for a speed. */
  readonly higherIsBetter?: boolean;
  readonly goal: Goal;
}

/** Rounds to four significant digits: more than the noise of a machine leaves. */
const rounded = (value: number): number => Number(value.toPrecision(4));

export const benchRow = ({ name, value, unit, floor, higherIsBetter = false, goal }: Figure): BenchRow => {
  const ratio = floor === undefined ? null : higherIsBetter ? floor / value : value / floor;
  const judged = goal.of === 'ratio' ? ratio : value;
  if (judged === null) throw new RangeError(`${name}: expected a floor to judge the ratio by, found none`);
  return {
    name,
    value: rounded(value),
    unit,
    floor: floor === undefined ? null : rounded(floor),
    ratio: ratio === null ? null : rounded(ratio),
    goal: `${goal.of} <= ${rounded(goal.atMost)}`,
    met: judged <= goal.atMost,
  };
};

const columns = ['name', 'value', 'unit', 'floor', 'ratio', 'goal', 'met'] as const satisfies (keyof BenchRow)[];
const textColumns: ReadonlySet<string> = new Set(['name', 'unit', 'goal', 'met']);

const cell = (value: BenchRow[keyof BenchRow]): string =>
  value === null ? '-' : typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);

/** The rows as a table of text. */
export const renderRows = (rows: readonly BenchRow[]): string => {
  const table = [[...columns], ...rows.map((row) => columns.map((column) => cell(row[column])))];
  const widths = columns.map((_, index) => Math.max(...table.map((line) => line[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, index) =>
        textColumns.has(columns[index] ?? '') ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return table.map(line).join('\n');
};

/** The middle value; of an even number of values the mean of the two in the middle. @throws RangeError for none. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) throw new RangeError('expected at least one value, found none');
  return (low + high) / 2;
};
