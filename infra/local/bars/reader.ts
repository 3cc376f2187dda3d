import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import {
  asTicker,
  fallbackSession,
  minute,
  newYorkDate,
  newYorkInstant,
  type EvidenceClass,
  type NewYorkDate,
  type Ticker,
  type TradingDay,
} from '@torghut/domain';
import type { BarColumns } from '@torghut/domain/research';
import * as z from 'zod';
import {
  barFrequencies,
  type BarFrequency,
  BarsError,
  type BarSession,
  type BarSet,
  lowerBound,
  type QuoteColumns,
  type SymbolBars,
} from './bars.ts';
import { parseBars, parseQuotes } from './csv.ts';

export interface ReadBarsOptions {
  /** Only these symbols; all of the directory by default. */
  readonly symbols?: readonly Ticker[];
  /** Which bars to take; by default minutes, or seconds in a directory without minutes. */
  readonly frequency?: BarFrequency;
  /** `regular` (default) keeps bars that start within the regular session, `extended` those within extended hours. */
  readonly hours?: 'regular' | 'extended';
}

interface BarFile {
  readonly name: string;
  readonly symbol: Ticker;
  readonly kind: 'bars' | 'quotes';
  readonly frequency: BarFrequency;
}

const fileNamePattern = /^(.+?)(_quote)?_(1s|1m)\.csv(?:\.gz)?$/;

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const listFiles = async (directory: string): Promise<BarFile[]> => {
  const names = await readdir(directory).catch((error: unknown) => {
    throw new BarsError(`${directory}: expected a directory of bars, found ${describe(error)}`);
  });
  const files = names.toSorted().flatMap((name): BarFile[] => {
    const match = fileNamePattern.exec(name);
    const symbol = asTicker(match?.[1] ?? '');
    if (match === null || symbol === null) return [];
    const kind = match[2] === undefined ? 'bars' : 'quotes';
    return [{ name, symbol, kind, frequency: match[3] as BarFrequency }];
  });
  if (!files.some(({ kind }) => kind === 'bars')) {
    throw new BarsError(
      `${directory}: expected files named <SYMBOL>_1m.csv[.gz] or <SYMBOL>_1s.csv[.gz], found ${names.length === 0 ? 'an empty directory' : `only ${names.slice(0, 5).join(', ')}`}`,
    );
  }
  return files;
};

/** The one file of each symbol; both a plain and a compressed one is an error, since either could be stale. */
const bySymbol = (directory: string, files: readonly BarFile[]): Map<Ticker, BarFile> => {
  const found = new Map<Ticker, BarFile>();
  for (const file of files) {
    const twin = found.get(file.symbol);
    if (twin !== undefined) {
      throw new BarsError(`${directory}: expected one file of ${file.symbol}, found ${twin.name} and ${file.name}`);
    }
    found.set(file.symbol, file);
  }
  return found;
};

const readText = async (path: string): Promise<string> => {
  try {
    const bytes = await readFile(path);
    return (path.endsWith('.gz') ? await promisify(gunzip)(bytes) : bytes).toString('latin1');
  } catch (error) {
    throw new BarsError(
      `${path}: expected a readable ${path.endsWith('.gz') ? 'gzip ' : ''}file, found ${describe(error)}`,
    );
  }
};

/** The same range of every column, without copying. */
const sliceColumns = <C extends BarColumns | QuoteColumns>(columns: C, from: number, to: number): C =>
  Object.fromEntries(
    Object.entries(columns).map(([name, values]: [string, Float64Array]) => [name, values.subarray(from, to)]),
  ) as unknown as C;

/** A crossed row is left out: its sides were sampled apart within the bar, so it is not a quote that ever stood. */
const withoutCrossed = (quotes: QuoteColumns): QuoteColumns => {
  const stood = (row: number): boolean =>
    (quotes.bidClose[row] ?? 0) <= (quotes.askClose[row] ?? 0) &&
    (quotes.bidOpen[row] ?? 0) <= (quotes.askOpen[row] ?? 0);
  return Object.fromEntries(
    Object.entries(quotes).map(([name, values]: [string, Float64Array]) => [
      name,
      values.filter((_, row) => stood(row)),
    ]),
  ) as unknown as QuoteColumns;
};

const manifestSchema = z.object({ generated: z.boolean() });

/** Bars are simulated when the manifest beside them says that they were generated; market data comes without one. */
const evidenceClassOf = async (directory: string): Promise<EvidenceClass> => {
  const path = join(directory, 'manifest.json');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new BarsError(`${path}: expected a readable file, found ${describe(error)}`);
  });
  if (text === null) return 'observed';
  const manifest = manifestSchema.safeParse(parsed(text));
  if (!manifest.success)
    throw new BarsError(`${path}: expected JSON that says whether the bars were "generated", found none`);
  return manifest.data.generated ? 'simulated' : 'observed';
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says what was expected instead.
  }
};

type Hours = NonNullable<ReadBarsOptions['hours']>;

const boundsOf = (day: TradingDay, hours: Hours): readonly [number, number] =>
  hours === 'regular'
    ? [day.openAt, day.closeAt]
    : [day.extendedOpenAt ?? day.openAt, day.extendedCloseAt ?? day.closeAt];

/** Cuts columns into trading days; rows outside the hours are left out. */
const cutIntoDays = <C extends BarColumns | QuoteColumns>(columns: C, hours: Hours): Map<NewYorkDate, C> => {
  const days = new Map<NewYorkDate, C>();
  let row = 0;
  while (row < columns.start.length) {
    const date = newYorkDate(columns.start[row] ?? 0);
    const next = lowerBound(columns.start, newYorkInstant(date, '23:59') + minute, row);
    const day = fallbackSession(date);
    if (day.kind !== 'closed') {
      const [opens, closes] = boundsOf(day, hours);
      const from = lowerBound(columns.start, opens, row);
      const to = lowerBound(columns.start, closes, from);
      if (to > from) days.set(date, sliceColumns(columns, from, to));
    }
    row = next;
  }
  return days;
};

/**
 * Reads a directory of bars: `<SYMBOL>_<freq>.csv[.gz]` with optional `<SYMBOL>_quote_<freq>.csv[.gz]`, freq `1s` or
 * `1m`, and a `manifest.json` where they were generated. Other files are ignored. Sessions are cut by the exchange's calendar.
 * @throws BarsError for a directory without bars, an absent symbol, or a row that breaks a rule; nothing is repaired.
 */
export const readBars = async (directory: string, options: ReadBarsOptions = {}): Promise<BarSet> => {
  const hours = options.hours ?? 'regular';
  const files = await listFiles(directory);
  const frequency =
    options.frequency ?? (files.some((file) => file.kind === 'bars' && file.frequency === '1m') ? '1m' : '1s');
  const ofFrequency = files.filter((file) => file.frequency === frequency);
  const bars = bySymbol(
    directory,
    ofFrequency.filter(({ kind }) => kind === 'bars'),
  );
  const quotes = bySymbol(
    directory,
    ofFrequency.filter(({ kind }) => kind === 'quotes'),
  );

  const symbols = [...new Set(options.symbols ?? bars.keys())].toSorted();
  const missing = symbols.filter((symbol) => !bars.has(symbol));
  if (missing.length > 0 || symbols.length === 0) {
    const present = [...bars.keys()].join(', ');
    const wanted = missing.length > 0 ? missing.join(', ') : 'at least one symbol';
    throw new BarsError(
      `${directory}: expected ${frequency} bars of ${wanted}, found ${present === '' ? 'none' : `only ${present}`}`,
    );
  }

  const { milliseconds } = barFrequencies[frequency];
  const sessions = new Map<NewYorkDate, Map<Ticker, SymbolBars>>();
  let barsOutsideSession = 0;
  for (const symbol of symbols) {
    const read = async <C>(
      file: BarFile | undefined,
      parse: (name: string, text: string, step: number) => C,
    ): Promise<C | null> =>
      file === undefined ? null : parse(file.name, await readText(join(directory, file.name)), milliseconds);
    const symbolBars = await read(bars.get(symbol), parseBars);
    const symbolQuotes = await read(quotes.get(symbol), parseQuotes);
    if (symbolBars === null) continue;
    const quotesByDay = symbolQuotes === null ? null : cutIntoDays(withoutCrossed(symbolQuotes), hours);
    barsOutsideSession += symbolBars.start.length;
    for (const [date, columns] of cutIntoDays(symbolBars, hours)) {
      barsOutsideSession -= columns.start.length;
      const session = sessions.get(date) ?? new Map<Ticker, SymbolBars>();
      session.set(symbol, { symbol, frequency, bars: columns, quotes: quotesByDay?.get(date) ?? null });
      sessions.set(date, session);
    }
  }
  if (sessions.size === 0) {
    throw new BarsError(
      `${directory}: expected bars within ${hours} trading hours, found ${barsOutsideSession} bars outside of them`,
    );
  }
  return {
    directory,
    evidenceClass: await evidenceClassOf(directory),
    frequency,
    symbols,
    barsOutsideSession,
    sessions: [...sessions.keys()].toSorted().flatMap((date): BarSession[] => {
      const day = fallbackSession(date);
      return day.kind === 'closed' ? [] : [{ date, day, symbols: sessions.get(date) ?? new Map<Ticker, SymbolBars>() }];
    }),
  };
};
