import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fallbackSession, parseInstant, type Ticker, toText } from '@torghut/domain';
import type { BarColumns } from '@torghut/domain/research';
import type { BarSession, QuoteColumns } from '../../../../infra/local/bars/bars.ts';
import { BarsMarket } from '../../../../infra/local/bars/market.ts';
import { ceilToTick, floorToTick, modelQuote, tickText } from '../../../../infra/local/bars/spread-model.ts';

const symbol = 'GEN1' as Ticker;
const column = (...values: number[]): Float64Array => Float64Array.from(values);
const bar = (start: string, open: number, high: number, low: number, close: number): BarColumns => ({
  start: column(parseInstant(start)),
  open: column(open),
  high: column(high),
  low: column(low),
  close: column(close),
  volume: column(100),
});
const sessionOf = (date: string, bars: BarColumns, quotes: QuoteColumns | null = null): BarSession => {
  const day = fallbackSession(date);
  if (day.kind === 'closed') throw new Error(`expected a session on ${date}`);
  return { date, day, symbols: new Map([[symbol, { symbol, frequency: '1m', bars, quotes }]]) };
};
const at = (time: string): number => parseInstant(`2025-11-25T${time}Z`);
const path = (market: BarsMarket, after: number, until: number): string[] =>
  [...market.quotesBetween(symbol, after, until)].map(
    (quote) => `${toText(quote.at).slice(11, 23)} ${quote.bid} ${quote.ask}`,
  );

describe('the market of bars', () => {
  const market = new BarsMarket({
    sessions: [
      sessionOf('2025-11-25', bar('2025-11-25T14:30:00Z', 20, 20.5, 19.9, 20.2)),
      sessionOf('2025-11-26', bar('2025-11-26T14:30:00Z', 30, 30.1, 29, 29.5)),
    ],
  });

  it('goes from the open to the nearer extreme, the farther one, and the close', () => {
    expect(path(market, at('14:29:59'), at('14:31:00'))).toEqual([
      '14:30:00.000 19.99 20.00',
      '14:30:20.000 19.89 19.90',
      '14:30:40.000 20.49 20.50',
      '14:30:59.999 20.19 20.20',
    ]);
    expect(path(market, parseInstant('2025-11-26T14:30:00Z'), parseInstant('2025-11-26T14:30:40Z'))).toEqual([
      '14:30:20.000 30.09 30.10',
      '14:30:40.000 28.99 29.00',
    ]);
  });

  it('has no quote before the first bar of a day and keeps the last one after it', () => {
    expect(market.quoteAt(symbol, at('14:30:00') - 1)).toBeNull();
    expect(market.quoteAt(symbol, at('14:30:00'))).toEqual({ at: at('14:30:00'), bid: '19.99', ask: '20.00' });
    expect(market.quoteAt(symbol, at('20:00:00'))).toEqual({ at: at('14:30:59.999'), bid: '20.19', ask: '20.20' });
    expect(market.quoteAt(symbol, parseInstant('2025-11-26T05:00:00Z'))).toBeNull();
    expect(market.quoteAt('NONE', at('15:00:00'))).toBeNull();
  });

  it('gives exactly the quotes after the first time up to the second, across days', () => {
    expect(path(market, at('14:30:20'), at('14:30:40'))).toHaveLength(1);
    expect(path(market, at('14:30:40'), parseInstant('2025-11-26T14:30:00Z'))).toHaveLength(2);
    expect(path(market, 0, Infinity)).toHaveLength(8);
  });

  it('quotes from quotes where there are any, rounded to the tick away from each other', () => {
    const quotes: QuoteColumns = {
      start: column(at('14:30:00')),
      bidOpen: column(19.985),
      bidHigh: column(20),
      bidLow: column(19.98),
      bidClose: column(19.99),
      bidSize: column(100),
      askOpen: column(20.031),
      askHigh: column(20.05),
      askLow: column(20.03),
      askClose: column(20.04),
      askSize: column(100),
    };
    const quoted = new BarsMarket({
      sessions: [sessionOf('2025-11-25', bar('2025-11-25T14:30:00Z', 20, 20.5, 19.9, 20.2), quotes)],
    });
    expect(path(quoted, 0, Infinity)).toEqual([
      '14:30:00.000 19.98 20.04',
      '14:30:20.000 19.98 20.03',
      '14:30:40.000 20.00 20.05',
      '14:30:59.999 19.99 20.04',
    ]);
  });
});

describe('the spread model', () => {
  it.each([
    [0.5, '0.4999', '0.5000'],
    [13.75, '13.74', '13.75'],
    [172.36, '172.34', '172.37'],
    [645, '644.95', '645.05'],
  ])('quotes %d USD as %s to %s', (price, bid, ask) => {
    const quote = modelQuote(price);
    expect([tickText(quote.bid), tickText(quote.ask)]).toEqual([bid, ask]);
  });

  it('never crosses, contains the price within a tick, and is at least a tick and 1.5 bps wide', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 300_000 }), (cents) => {
        const price = cents / 100;
        const { bid, ask } = modelQuote(price);
        expect(bid).toBeLessThanOrEqual(price);
        expect(ask).toBeGreaterThanOrEqual(price - 1e-9);
        expect(ask - bid).toBeGreaterThan(Math.max(0.01, price * 1.5e-4) - 1e-6);
        expect(ask - bid).toBeLessThan(price * 1.5e-4 + 0.01 + 1e-6);
      }),
    );
  });

  it('leaves a price that is on its tick there', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 1_000_000 }), (cents) => {
        const text = (cents / 100).toFixed(2);
        expect([tickText(floorToTick(Number(text))), tickText(ceilToTick(Number(text)))]).toEqual([text, text]);
      }),
    );
  });
});
