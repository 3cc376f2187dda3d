import type { Ticker } from '@torghut/domain';
import type { SeriesSession, SymbolSeries } from '@torghut/domain/research';
import { barFrequencies, type BarSet, type QuoteColumns } from './bars.ts';

const columnsOfBars = ['start', 'open', 'high', 'low', 'close', 'volume'] as const;

/** Half the spread that stood at the end of each bar; NaN before the first quote of the session. */
const halfSpreadsOf = (start: Float64Array, quotes: QuoteColumns | null): Float64Array => {
  const halfSpread = new Float64Array(start.length).fill(Number.NaN);
  if (quotes === null) return halfSpread;
  let next = 0;
  for (let row = 0; row < start.length; row += 1) {
    while ((quotes.start[next] ?? Infinity) <= (start[row] ?? 0)) next += 1;
    const [bid, ask] = [quotes.bidClose[next - 1], quotes.askClose[next - 1]];
    if (bid !== undefined && ask !== undefined) halfSpread[row] = (ask - bid) / 2;
  }
  return halfSpread;
};

/** Series of research from a directory of bars: one per symbol, all of its sessions joined. */
export const seriesOf = (bars: BarSet): readonly SymbolSeries[] => {
  const barMs = barFrequencies[bars.frequency].milliseconds;
  return bars.symbols.map((symbol: Ticker): SymbolSeries => {
    const parts = bars.sessions.flatMap(({ date, day, symbols }) => {
      const own = symbols.get(symbol);
      return own === undefined ? [] : [{ date, day, own }];
    });
    const rows = parts.reduce((sum, { own }) => sum + own.bars.start.length, 0);
    const columns = Object.fromEntries(columnsOfBars.map((name) => [name, new Float64Array(rows)])) as Record<
      (typeof columnsOfBars)[number],
      Float64Array
    >;
    const halfSpread = new Float64Array(rows);
    const sessions: SeriesSession[] = [];
    let from = 0;
    for (const { date, day, own } of parts) {
      for (const name of columnsOfBars) columns[name].set(own.bars[name], from);
      halfSpread.set(halfSpreadsOf(own.bars.start, own.quotes), from);
      const to = from + own.bars.start.length;
      sessions.push({ date, kind: day.kind, openAt: day.openAt, closeAt: day.closeAt, from, to });
      from = to;
    }
    return { symbol, barMs, ...columns, halfSpread, sessions };
  });
};
