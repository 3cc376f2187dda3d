import fc from 'fast-check';
import { decimal, newYorkInstant, type AccountLabel, type Fill, type Side, type Ticker } from '@torghut/domain';

let executions = 0;

/** A fill of one account; every call gets an execution id that sorts after the earlier ones. */
export const fill = (
  date: string,
  time: string,
  side: Side,
  qty: string,
  price: string,
  more: Partial<Fill> = {},
): Fill => ({
  executionId: String((executions += 1)).padStart(8, '0'),
  accountLabel: 'paper' as AccountLabel,
  strategyId: 'intraday_tsmom_v1',
  symbol: 'NVDA' as Ticker,
  side,
  qty: decimal(qty),
  price: decimal(price),
  executedAt: newYorkInstant(date, time),
  ...more,
});

const share = { minLength: 1, maxLength: 40 };
const dates = ['2024-05-21', '2024-05-22', '2026-05-12'];

/** Fills of two accounts, two strategies (one unattributed) and two symbols over three days, in no order. */
export const anyFills: fc.Arbitrary<readonly Fill[]> = fc
  .array(
    fc.record({
      accountLabel: fc.constantFrom('paper' as AccountLabel, 'live' as AccountLabel),
      strategyId: fc.constantFrom('intraday_tsmom_v1', null),
      symbol: fc.constantFrom('NVDA' as Ticker, 'SPY' as Ticker),
      side: fc.constantFrom<Side>('buy', 'sell'),
      qty: fc.integer({ min: 1, max: 5_000 }).map((n) => decimal(String(n)).times('0.01')),
      price: fc.integer({ min: 1, max: 90_000 }).map((n) => decimal(String(n)).times('0.01')),
      executedAt: fc
        .tuple(fc.constantFrom(...dates), fc.constantFrom('09:30', '12:00', '15:59'))
        .map(([date, time]) => newYorkInstant(date, time)),
    }),
    share,
  )
  .map((records) => records.map((record, index) => ({ ...record, executionId: `e${String(index).padStart(4, '0')}` })));
