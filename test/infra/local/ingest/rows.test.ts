import { describe, expect, it } from 'vitest';
import { asTicker, fallbackSession, parseInstant, type Ticker } from '@torghut/domain';
import {
  type BarFrequency,
  barFrequencies,
  type BarSession,
  type SymbolBars,
} from '../../../../infra/local/bars/bars.ts';
import { BarStream } from '../../../../infra/local/ingest/rows.ts';

const ticker = (symbol: string): Ticker => asTicker(symbol)!;

/** A session of flat bars, one after the other from the open. */
const session = (symbols: readonly string[], frequency: BarFrequency, count: number): BarSession => {
  const day = fallbackSession('2018-02-20');
  if (day.kind === 'closed') throw new Error('expected a trading day');
  const bars = (symbol: Ticker): SymbolBars => {
    const column = (value: (index: number) => number): Float64Array =>
      Float64Array.from({ length: count }, (_, i) => value(i));
    const [start, price, volume] = [
      column((index) => day.openAt + index * barFrequencies[frequency].milliseconds),
      column(() => 20),
      column(() => 100),
    ];
    return {
      symbol,
      frequency,
      bars: { start, open: price, high: price, low: price, close: price, volume },
      quotes: null,
    };
  };
  return { date: '2018-02-20', day, symbols: new Map(symbols.map(ticker).map((symbol) => [symbol, bars(symbol)])) };
};

const arrivals = (
  rows: readonly { readonly symbol: string; readonly event_ts: string; readonly ingest_ts: string }[],
) =>
  rows.map(({ symbol, event_ts, ingest_ts }) => ({
    symbol,
    eventTs: parseInstant(event_ts),
    ingestTs: parseInstant(ingest_ts),
  }));

describe('the time at which a bar becomes visible', () => {
  const rows = arrivals(new BarStream().rowsOf(session(['AAA', 'BBB'], '1s', 600)).signals);

  it('is 3 to 5 s after its end', () => {
    const delays = rows.map(({ eventTs, ingestTs }) => ingestTs - eventTs);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(3_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(5_000);
    expect(new Set(delays).size).toBeGreaterThan(100);
  });

  it('keeps the order of one symbol, also for bars shorter than the spread of the delay', () => {
    for (const own of Map.groupBy(rows, ({ symbol }) => symbol).values()) {
      for (const [index, row] of own.entries())
        expect(row.ingestTs).toBeGreaterThanOrEqual(own[index - 1]?.ingestTs ?? -Infinity);
    }
  });

  it('lets one symbol overtake another', () => {
    const byArrival = rows.toSorted((a, b) => a.ingestTs - b.ingestTs);
    expect(byArrival.some((row, index) => row.eventTs < (byArrival[index - 1]?.eventTs ?? 0))).toBe(true);
  });
});
