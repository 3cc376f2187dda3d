import { newYorkDate } from '@torghut/domain';
import type { BarColumns } from '@torghut/domain/research';
import { BarsError, type QuoteColumns } from './bars.ts';

export const barHeader = 'ts,open,high,low,close,volume';
export const quoteHeader =
  'ts,bid_open,bid_high,bid_low,bid_close,bid_size,ask_open,ask_high,ask_low,ask_close,ask_size';

const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|\+00:00)$/;
const numberPattern = /^\d+(?:\.\d+)?$/;

/** Where in a file something is wrong. */
type Refuse = (expected: string, found: string) => never;

/** Columns of a file by their position in the header; the first one holds the times. */
interface Table {
  readonly columns: readonly Float64Array[];
  /** Fails at the line of a row. */
  readonly refuseRow: (row: number) => Refuse;
}

const refuseAt =
  (file: string, line: number): Refuse =>
  (expected, found) => {
    throw new BarsError(`${file}:${line}: expected ${expected}, found ${found}`);
  };

/** Reads times; the calendar date of a text is proved once per date, because a day such as 02-30 parses. */
const timeParser = (stepMs: number): ((text: string, refuse: Refuse) => number) => {
  let provenDate = '';
  return (text, refuse) => {
    const at = timePattern.test(text) ? Date.parse(text) : NaN;
    if (Number.isNaN(at)) return refuse('an ISO-8601 UTC time in ts', `"${text}"`);
    const date = text.slice(0, 10);
    if (date !== provenDate) {
      if (new Date(at).toISOString().slice(0, 10) !== date) return refuse('a date of the calendar in ts', `"${text}"`);
      try {
        newYorkDate(at);
      } catch (error) {
        return refuse('a time that has a New York date', `"${text}" (${(error as Error).message})`);
      }
      provenDate = date;
    }
    return at % stepMs === 0 ? at : refuse(`the start of a bar of ${stepMs / 1_000} s in ts`, `"${text}"`);
  };
};

/** @throws BarsError naming file and line for anything but the header and rows of numbers with increasing times. */
const parseTable = (file: string, text: string, header: string, stepMs: number): Table => {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const found = (lines[0] ?? '').trimEnd();
  if (found !== header) refuseAt(file, 1)(`the header "${header}"`, `"${found.slice(0, 80)}"`);

  const names = header.split(',');
  const rows = lines.length - 1;
  const columns = names.map(() => new Float64Array(rows));
  const times = columns[0] ?? new Float64Array();
  const parseTime = timeParser(stepMs);
  for (let row = 0; row < rows; row += 1) {
    const refuse = refuseAt(file, row + 2);
    const fields = (lines[row + 1] ?? '').trimEnd().split(',');
    if (fields.length !== names.length) refuse(`${names.length} fields`, String(fields.length));
    const at = parseTime(fields[0] ?? '', refuse);
    if (row > 0 && at <= (times[row - 1] ?? 0)) refuse('a later ts than on the line before', `"${fields[0] ?? ''}"`);
    times[row] = at;
    for (let index = 1; index < names.length; index += 1) {
      const field = fields[index] ?? '';
      if (!numberPattern.test(field)) refuse(`a decimal number >= 0 in ${names[index] ?? ''}`, `"${field}"`);
      (columns[index] ?? times)[row] = Number(field);
    }
  }
  return { columns, refuseRow: (row) => refuseAt(file, row + 2) };
};

const column = (table: Table, index: number): Float64Array => table.columns[index] ?? new Float64Array();

/** Fails at the first row where prices are not positive or not low <= open, close <= high. */
const checkPrices = (table: Table, prefix: string, first: number): void => {
  const [open, high, low, close] = [0, 1, 2, 3].map((offset) => column(table, first + offset)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let row = 0; row < open.length; row += 1) {
    const [o = 0, h = 0, l = 0, c = 0] = [open[row], high[row], low[row], close[row]];
    if (l <= 0) table.refuseRow(row)(`${prefix}low > 0`, String(l));
    if (l > Math.min(o, c) || h < Math.max(o, c)) {
      table.refuseRow(row)(`${prefix}low <= open, close <= high`, `open ${o}, high ${h}, low ${l}, close ${c}`);
    }
  }
};

/**
 * Parses trade bars; `stepMs` is the length of a bar.
 * @throws BarsError with one line that names file, line, what was expected and what was found.
 */
export const parseBars = (file: string, text: string, stepMs: number): BarColumns => {
  const table = parseTable(file, text, barHeader, stepMs);
  checkPrices(table, '', 1);
  return {
    start: column(table, 0),
    open: column(table, 1),
    high: column(table, 2),
    low: column(table, 3),
    close: column(table, 4),
    volume: column(table, 5),
  };
};

/**
 * Parses quote bars. A row may be crossed (bid above ask): its two sides were sampled apart.
 * @throws BarsError as `parseBars`.
 */
export const parseQuotes = (file: string, text: string, stepMs: number): QuoteColumns => {
  const table = parseTable(file, text, quoteHeader, stepMs);
  checkPrices(table, 'bid_', 1);
  checkPrices(table, 'ask_', 6);
  return {
    start: column(table, 0),
    bidOpen: column(table, 1),
    bidHigh: column(table, 2),
    bidLow: column(table, 3),
    bidClose: column(table, 4),
    bidSize: column(table, 5),
    askOpen: column(table, 6),
    askHigh: column(table, 7),
    askLow: column(table, 8),
    askClose: column(table, 9),
    askSize: column(table, 10),
  };
};
