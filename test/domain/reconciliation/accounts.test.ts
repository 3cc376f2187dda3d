import {
  activityMeaning,
  breakHandling,
  breakTypes,
  cashSeverity,
  compareCash,
  compareFees,
  comparePositions,
  decimal,
  dueRun,
  feeRowOf,
  parseInstant,
  positionAfterFill,
  zero,
  type AccountLabel,
  type CalendarDay,
  type Fill,
  type LedgerPosition,
  type Ticker,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const asOf = parseInstant('2026-02-14T10:00:00.000Z');
const position = (change: Partial<LedgerPosition> = {}): LedgerPosition => ({
  symbol: 'AAPL',
  qty: decimal('10'),
  averageEntry: decimal('100'),
  lastFillAt: asOf - 60_000,
  countedFrom: null,
  ...change,
});
const held = (symbol: string, qty: string, average = '100') => ({
  symbol,
  qty: decimal(qty),
  qtyAvailable: decimal(qty),
  avgEntryPrice: decimal(average),
  marketValue: zero,
  currentPrice: null,
});
const reading = { asOf, graceMs: 2_000 };

describe('positions', () => {
  it.each([
    ['agree', [position()], [held('AAPL', '10')], []],
    ['differ in quantity', [position()], [held('AAPL', '11')], ['position_qty_mismatch']],
    ['are missing at the broker', [position()], [], ['position_qty_mismatch']],
    ['are the broker’s alone', [], [held('AAPL', '1')], ['position_qty_mismatch']],
    ['are flat on both sides', [position({ qty: zero })], [], []],
    ['differ in direction', [position({ qty: decimal('-10') })], [held('AAPL', '10')], ['position_qty_mismatch']],
    ['differ in average price', [position()], [held('AAPL', '10', '100.02')], ['position_avg_price_mismatch']],
    ['have an average within one part in ten thousand', [position()], [held('AAPL', '10', '100.009')], []],
    ['have an average nobody can tell', [position({ averageEntry: null })], [held('AAPL', '10', '90')], []],
  ])('that %s', (_name, ours, theirs, types) => {
    expect(
      comparePositions({ positions: ours, agreedAt: null }, theirs, reading).breaks.map(({ type }) => type),
    ).toEqual(types);
  });

  it('say nothing of a symbol that was filled while they were read', () => {
    const filled = position({ lastFillAt: asOf - 1_999 });
    const ours = { positions: [filled], agreedAt: null };
    expect(comparePositions(ours, [], reading)).toEqual({ breaks: [], moving: ['AAPL'] });
  });

  it.each([
    ['that a symbol is counted from', (at: number) => ({ positions: [position({ countedFrom: at })], agreedAt: null })],
    ['in which all agreed, of a symbol the broker alone has', (at: number) => ({ positions: [], agreedAt: at })],
  ])('that differ alike are one finding until the reading %s is another one', (_name, ours) => {
    const find = (at: number) => comparePositions(ours(at), [held('AAPL', '1')], reading).breaks[0]?.identity;
    expect(find(asOf - 1)).toEqual(find(asOf - 1));
    expect(find(asOf)).not.toEqual(find(asOf - 1));
  });

  it('average entries, keep the average through exits, and start anew when they flip', () => {
    const fill = (side: 'buy' | 'sell', qty: string, price: string) => ({
      side,
      qty: decimal(qty),
      price: decimal(price),
    });
    const steps = [
      [fill('buy', '10', '100'), '10', '100'],
      [fill('buy', '10', '110'), '20', '105'],
      [fill('sell', '5', '120'), '15', '105'],
      [fill('sell', '20', '90'), '-5', '90'],
      [fill('buy', '5', '80'), '0', '0'],
    ] as const;
    let state: ReturnType<typeof positionAfterFill> = { qty: zero, averageEntry: zero };
    for (const [next, qty, average] of steps) {
      state = positionAfterFill(state, next);
      expect([state.qty.toFixed(), state.averageEntry?.toFixed()]).toEqual([qty, average]);
    }
  });
});

const cash = (amount: string, net = '0') => ({ cash: decimal(amount), activitiesNet: decimal(net), asOf });

describe('cash', () => {
  it('agrees with opening cash and any activities that explain it, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 })), fc.nat(), (cents, opening) => {
        const net = decimal(String(cents.reduce((sum, one) => sum + one, 0))).times('0.01');
        const start = decimal(String(opening));
        const result = compareCash(
          { cash: start, activitiesNet: decimal('77'), asOf },
          { cash: start.plus(net), activitiesNet: decimal('77').plus(net), asOf },
          zero,
        );
        expect(result.found).toBeNull();
        expect(result.difference.eq(zero)).toBe(true);
      }),
    );
  });

  it.each([
    ['0.01', null],
    ['-0.01', null],
    ['0.011', 'warn'],
    ['1', 'warn'],
    ['1.001', 'critical'],
    ['-1.01', 'critical'],
  ])('that is off by %s USD: %s', (difference, severity) => {
    const result = compareCash(cash('1000'), { ...cash('1000'), cash: decimal('1000').plus(difference) }, zero);
    expect(result.found?.severity ?? null).toBe(severity);
  });

  it('may lack what is due in fees of the last session, and no more', () => {
    const due = decimal('0.55');
    expect(compareCash(cash('1000'), cash('999.45'), due)).toMatchObject({ found: null });
    expect(compareCash(cash('1000'), cash('999.43'), due).found?.type).toBe('cash_mismatch');
    expect(compareCash(cash('1000'), cash('1000.55'), due).found?.type).toBe('cash_mismatch');
    expect(compareCash(cash('1000'), cash('999.45'), zero).found?.type).toBe('cash_mismatch');
  });

  it('is critical above a dollar', () => {
    expect([cashSeverity(decimal('1')), cashSeverity(decimal('-1.01'))]).toEqual(['warn', 'critical']);
  });
});

const fill = (id: string, side: 'buy' | 'sell', date: string): Fill => ({
  executionId: id,
  accountLabel: 'live' as AccountLabel,
  strategyId: null,
  symbol: 'AAPL' as Ticker,
  side,
  qty: decimal('100'),
  price: decimal('250'),
  executedAt: parseInstant(`${date}T15:00:00.000Z`),
});

describe('fees', () => {
  const day = '2026-05-04';
  const fills = [fill('b', 'buy', day), fill('s', 'sell', day)];
  const posted = (reg: string) => [
    { type: 'REG', tradeDate: day, amount: decimal(reg) } as const,
    { type: 'TAF', tradeDate: day, amount: decimal('0.02') } as const,
    { type: 'CAT', tradeDate: day, amount: decimal('0.01') } as const,
  ];

  it('agree to the cent with the fee table, per type and day, rounded up', () => {
    expect(compareFees(fills, posted('0.52'), day)).toMatchObject({ breaks: [], checked: 3, unknownDates: [] });
  });

  it('that differ by more than a cent are a break of their type and day', () => {
    expect(compareFees(fills, posted('0.53'), day).breaks).toEqual([]);
    expect(compareFees(fills, posted('0.54'), day).breaks).toMatchObject([
      { type: 'fee_mismatch', identity: { date: day, fee: 'REG', taken: '0.54' }, ours: { amount: '0.52' } },
    ]);
  });

  it('of a session that is not closed are due, and nothing to compare', () => {
    const compared = compareFees(fills, [], '2026-05-01');
    expect([compared.breaks, compared.checked, compared.pending.toFixed()]).toEqual([[], 0, '0.55']);
  });

  it('without a rate are unknown, never nothing', () => {
    expect(compareFees([fill('x', 'sell', '2031-01-02')], [], '2031-01-02')).toMatchObject({
      breaks: [],
      unknownDates: ['2031-01-02'],
    });
  });

  it.each([
    [
      'by the trade date in words',
      { description: 'REG fee for proceeds of trades on 2026-05-01' },
      '2026-05-01',
      'REG',
    ],
    ['by the session before the posting date', {}, '2026-05-01', 'REG'],
    ['not at all when it is of another kind', { subType: 'LCT' }, null, null],
  ])('are placed %s', (_name, change, tradeDate, type) => {
    const row = feeRowOf(
      { subType: 'REG', description: null, date: '2026-05-04', netAmount: decimal('-0.52'), ...change },
      ['2026-04-30', '2026-05-01', '2026-05-04'],
    );
    expect(row === null ? [null, null] : [row.tradeDate, row.type]).toEqual([tradeDate, type]);
    if (row !== null) expect(row.amount.toFixed()).toBe('0.52');
  });
});

describe('activities', () => {
  it.each([
    ['DIV', 'cash'],
    ['CSD', 'cash'],
    ['FEE', 'fee'],
    ['SPLIT', 'corporate_action'],
    ['SCMA', 'corporate_action'],
    ['NC', 'corporate_action'],
    ['GIFT', 'unknown'],
  ])('%s mean %s', (type, meaning) => {
    expect(activityMeaning(type)).toBe(meaning);
  });
});

describe('the table of breaks', () => {
  it('handles every type, and contains what could lose money', () => {
    expect(Object.keys(breakHandling).sort()).toEqual([...breakTypes].sort());
    const contained = Object.entries(breakHandling).flatMap(([type, { containment, severity }]) =>
      containment === 'none' ? [] : [[type, containment, severity]],
    );
    expect(contained).toEqual([
      ['order_missing_at_broker', 'manual_review', 'critical'],
      ['external_order', 'reduce_only', 'critical'],
      ['fill_qty_mismatch', 'reduce_only', 'critical'],
      ['fill_price_mismatch', 'reduce_only', 'critical'],
      ['overfill', 'reduce_only', 'critical'],
      ['position_qty_mismatch', 'reduce_only', 'critical'],
      ['corporate_action_pending', 'disabled', 'critical'],
      ['trade_bust', 'reduce_only', 'critical'],
      ['trade_correct', 'reduce_only', 'critical'],
      ['unknown_receipt_aged', 'manual_review', 'critical'],
    ]);
  });
});

describe('the schedule', () => {
  const day: CalendarDay = {
    date: '2026-02-13',
    kind: 'full',
    openAt: parseInstant('2026-02-13T14:30:00.000Z'),
    closeAt: parseInstant('2026-02-13T21:00:00.000Z'),
    extendedOpenAt: null,
    extendedCloseAt: null,
    settlementDate: null,
  };
  const nightly = { scope: 'nightly', scheduledFor: parseInstant('2026-02-13T10:00:00.000Z') };
  it.each([
    ['2026-02-13T10:00:00.000Z', day, nightly],
    ['2026-02-13T10:45:00.000Z', day, nightly],
    ['2026-02-13T14:15:00.000Z', day, null],
    ['2026-02-13T14:30:00.000Z', day, { scope: 'positions', scheduledFor: parseInstant('2026-02-13T14:30:00.000Z') }],
    ['2026-02-13T21:15:00.000Z', day, { scope: 'positions', scheduledFor: parseInstant('2026-02-13T21:15:00.000Z') }],
    ['2026-02-13T21:30:00.000Z', day, null],
    ['2026-02-13T15:00:00.000Z', null, { scope: 'positions', scheduledFor: parseInstant('2026-02-13T15:00:00.000Z') }],
    // Daylight saving: 05:00 in New York is an hour earlier in UTC.
    ['2026-07-06T09:15:00.000Z', null, { scope: 'nightly', scheduledFor: parseInstant('2026-07-06T09:00:00.000Z') }],
  ])('at %s is due for what the session asks', (tick, calendar, due) => {
    expect(dueRun(parseInstant(tick), calendar)).toEqual(due);
  });
});
