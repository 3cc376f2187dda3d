import {
  accountLabelSchema,
  asTicker,
  hashSchema,
  hour,
  minute,
  second,
  tickerPattern,
  tickerSchema,
  timeframeMs,
  timeframeOf,
  windowSizeOf,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('symbols', () => {
  it.each([
    ['aapl', 'AAPL'],
    [' BRK.B ', 'BRK.B'],
    ['btc/usd', 'BTC/USD'],
    ['A', 'A'],
    ['3M', '3M'],
    ['X'.repeat(32), 'X'.repeat(32)],
  ])('reads "%s" as %s', (text, ticker) => {
    expect(asTicker(text)).toBe(ticker);
  });

  it.each(['', ' ', '.A', '-', 'A B', 'A,B', 'AAPL;', "A'", 'A\nB', 'X'.repeat(33), 'ß', 'ſ', 'ﬁ', '中'])(
    'refuses "%s"',
    (text) => {
      expect(asTicker(text)).toBeNull();
    },
  );

  it('makes only well-formed symbols, and makes the same one again of each', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'grapheme', maxLength: 4 })), (text) => {
        const ticker = asTicker(text);
        if (ticker === null) return;
        expect(ticker).toMatch(tickerPattern);
        expect(ticker).toHaveLength(text.trim().length);
        expect(asTicker(ticker)).toBe(ticker);
      }),
    );
  });

  it('takes stored symbols, accounts and hashes as they are, without repairing them', () => {
    expect(tickerSchema.safeParse('aapl').success).toBe(false);
    expect(tickerSchema.parse('AAPL')).toBe('AAPL');
    expect(accountLabelSchema.safeParse('Paper').success).toBe(false);
    expect(accountLabelSchema.parse('paper_2')).toBe('paper_2');
    expect(hashSchema.safeParse('F'.repeat(64)).success).toBe(false);
    expect(hashSchema.parse('f'.repeat(64))).toBe('f'.repeat(64));
  });
});

describe('timeframes', () => {
  it.each([
    ['PT1S', '1Sec', second],
    ['PT1M', '1Min', minute],
    ['PT15M', '15Min', 15 * minute],
    ['PT1H', '1Hour', hour],
  ])('%s is %s', (windowSize, timeframe, length) => {
    expect(timeframeOf(windowSize)).toBe(timeframe);
    expect(windowSizeOf(timeframe)).toBe(windowSize);
    expect(timeframeMs(timeframe)).toBe(length);
  });

  it.each(['', 'PT', 'PT0S', 'PT01M', '1Min', 'P1D', 'PT1M30S', 'pt1m', 'PT-1S', 'PT1.5S'])(
    'does not know the window size "%s"',
    (windowSize) => {
      expect(timeframeOf(windowSize)).toBeNull();
    },
  );

  it.each(['', 'PT1M', '0Sec', '1min', '1Day', 'Min'])('refuses the timeframe "%s"', (timeframe) => {
    const error = new RangeError(`expected <n>Sec, <n>Min or <n>Hour, found "${timeframe}"`);
    expect(() => windowSizeOf(timeframe)).toThrow(error);
    expect(() => timeframeMs(timeframe)).toThrow(error);
  });
});
