import { asTicker, decimal, feesOfDay, type AccountLabel, type Fill } from '@torghut/domain';
import { chargedFee, executionModelHash, fillsDigest, sessionFeesOn, marketOf } from '@torghut/domain/research';
import type { ExecutionModel, SymbolSeries } from '@torghut/domain/research';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fillsOf, frictionless, minutes, run, seriesOfBars, type BarOf } from './fixtures.ts';
import { simulate } from '../../../layers/domain/src/research/engine.ts';

const date = '2026-05-12';
const one = (bars: readonly BarOf[]): SymbolSeries => seriesOfBars([{ date, bars }]);
const flat = (count: number, price = 100): number[] => new Array<number>(count).fill(price);
const limit = (over: Partial<ExecutionModel> = {}): ExecutionModel => ({
  ...frictionless,
  order: { ...frictionless.order, type: 'limit' },
  ...over,
});

describe('[R4] when an order fills', () => {
  const rising = one(minutes(10, [100, 101, 102, 103, 104]));

  test('without latency: at the open of the next bar', () => {
    expect(fillsOf(run(rising, { 0: 1 }, frictionless))).toEqual([{ bar: 1, qty: 10, price: 101 }]);
  });

  test('with one bar of latency: at the open of the bar after it', () => {
    const model = { ...frictionless, latency: { bars: 1, milliseconds: [1_000] } };
    expect(fillsOf(run(rising, { 0: 1 }, model))).toEqual([{ bar: 2, qty: 10, price: 102 }]);
  });

  test('never in the first or the last bar of a session, where the auctions are', () => {
    const opening = one(minutes(0, flat(5)));
    expect(fillsOf(run(opening, { 0: 1 }, frictionless))).toMatchObject([{ bar: 1 }]);
    const closing = one(minutes(386, flat(4)));
    expect(fillsOf(run(closing, { 2: 1 }, { ...frictionless, entry_cutoff_seconds: 0 }))).toEqual([]);
    expect(
      fillsOf(run(closing, { 2: 1 }, { ...frictionless, entry_cutoff_seconds: 0, avoid_auctions: false })),
    ).toMatchObject([{ bar: 3 }]);
  });

  test('the close of a half day is its own', () => {
    const half = seriesOfBars([{ date: '2025-11-28', bars: minutes(206, flat(4)) }]);
    expect(fillsOf(run(half, { 2: 1 }, { ...frictionless, entry_cutoff_seconds: 0 }))).toEqual([]);
  });

  test('an order that a halt outlasts has expired', () => {
    const halted = one([...minutes(10, flat(2)), ...minutes(30, flat(2))]);
    const { sessions } = run(halted, { 1: 1 }, frictionless);
    expect(sessions[0]).toMatchObject({ decisions: 1, fills: 0, expired: 1 });
  });
});

describe('limit orders', () => {
  const dip = (low: number) =>
    one([...minutes(10, [100]), { at: 11, open: 100.5, low }, ...minutes(12, flat(3, 100.5))]);

  test('a limit that is touched does not fill; one that is traded through fills at its price', () => {
    expect(fillsOf(run(dip(100), { 0: 1 }, limit()))).toEqual([]);
    expect(fillsOf(run(dip(99.99), { 0: 1 }, limit()))).toEqual([{ bar: 1, qty: 10, price: 100 }]);
    expect(fillsOf(run(dip(100), { 0: 1 }, limit({ touch_fills: true })))).toMatchObject([{ price: 100 }]);
  });

  test('a limit that the market has come toward fills at the market, with half the spread', () => {
    const model = limit({
      spread: { scale: 1, buckets: [{ price_below: null, volatility_below: null, half_spread_bps: 10, least_usd: 0 }] },
    });
    const fills = fillsOf(run(one(minutes(10, [100, 99, 99])), { 0: 1 }, model));
    expect(fills).toEqual([{ bar: 1, qty: 10, price: 99 + 0.099 }]);
  });

  test('what does not fill expires after its time to live; a day order at the close, another one not', () => {
    const away = [...minutes(10, [100]), ...minutes(11, flat(4, 101)), ...minutes(15, flat(3, 99))];
    expect(run(one(away), { 0: 1 }, limit()).sessions[0]).toMatchObject({ fills: 0, expired: 1 });
    const days = seriesOfBars([
      { date, bars: [...minutes(10, [100]), ...minutes(11, flat(2, 101))] },
      { date: '2026-05-13', bars: minutes(10, flat(3, 99)) },
    ]);
    const long = { ...frictionless.order, type: 'limit', entry_ttl_seconds: 1e6 } as const;
    expect(fillsOf(run(days, { 0: 1 }, { ...limit(), order: long }))).toEqual([]);
    expect(fillsOf(run(days, { 0: 1 }, { ...limit(), order: { ...long, time_in_force: 'gtc' } }))).toMatchObject([
      { bar: 3, price: 99 },
    ]);
  });
});

describe('stop orders', () => {
  test('fill when the price reaches them, no better than their price', () => {
    const model = { ...frictionless, order: { ...frictionless.order, type: 'stop', stop_bps: 100 } } as const;
    const bars = one([
      ...minutes(10, [100, 100.5]),
      { at: 12, open: 100.6, high: 101.5 },
      ...minutes(13, flat(2, 101)),
    ]);
    expect(fillsOf(run(bars, { 0: 1 }, model))).toMatchObject([{ bar: 2, price: 101 }]);
    const gap = one(minutes(10, [100, 102, 102]));
    expect(fillsOf(run(gap, { 0: 1 }, model))).toMatchObject([{ bar: 1, price: 102 }]);
  });
});

describe('liquidity', () => {
  const buckets = [
    { up_to: 0.01, bps: 0 },
    { up_to: 0.05, bps: 1 },
    { up_to: 0.1, bps: 3 },
  ];
  const model = {
    ...frictionless,
    participation: { cap: 0.1, slippage: buckets },
    sizing: { ...frictionless.sizing, max_notional_usd: 10_000, max_participation: 1 },
  };

  test('a bar fills at most its share; the rest of the order rests', () => {
    const thin = one(minutes(10, flat(5), { volume: 400 }));
    const result = run(thin, { 0: 1 }, { ...model, order: { ...model.order, entry_ttl_seconds: 600 } });
    expect(fillsOf(result).map(({ bar, qty }) => [bar, qty])).toEqual([
      [1, 40],
      [2, 40],
      [3, 20],
    ]);
    expect(result.sessions[0]).toMatchObject({ fills: 3, partialFills: 2, decisions: 1 });
  });

  test.each([
    [10_000, 100],
    [5_000, 100.01],
    [2_000, 100.01],
    [1_500, 100.03],
  ])('taking 100 of %d shares costs %d USD a share', (volume, price) => {
    const bars = one(minutes(10, flat(3), { volume }));
    const [fill] = fillsOf(run(bars, { 0: 1 }, model));
    expect(fill?.price).toBeCloseTo(price, 9);
  });
});

describe('orders of one symbol that meet', () => {
  test('an exit takes back the entry that rests, so that the account does not trade with itself', () => {
    const thin = one(minutes(10, flat(8), { volume: 400 }));
    const model = {
      ...frictionless,
      participation: { cap: 0.1, slippage: [{ up_to: 1, bps: 0 }] },
      order: { ...frictionless.order, entry_ttl_seconds: 600, exit_ttl_seconds: 600 },
      sizing: { ...frictionless.sizing, max_notional_usd: 10_000, max_participation: 1 },
    };
    const result = run(thin, { 0: 1, 2: -1 }, model);
    expect(fillsOf(result).map(({ bar, qty }) => [bar, qty])).toEqual([
      [1, 40],
      [2, 40],
      [3, -40],
      [4, -40],
    ]);
    expect(result.sessions[0]).toMatchObject({ cancelled: 1, expired: 0, decisions: 2 });
  });

  const late = {
    ...frictionless,
    latency: { bars: 1, milliseconds: [1_000] },
    participation: { cap: 0.1, slippage: [{ up_to: 1, bps: 0 }] },
    order: { ...frictionless.order, entry_ttl_seconds: 600, exit_ttl_seconds: 600 },
    sizing: { ...frictionless.sizing, max_notional_usd: 10_000, max_participation: 1 },
  };

  test('fill until the exit that takes them back can fill itself, and count as cancelled then', () => {
    const thin = one(minutes(10, flat(9), { volume: 400 }));
    const result = run(thin, { 0: 1, 2: -1 }, late);
    expect(fillsOf(result).map(({ bar, qty }) => [bar, qty])).toEqual([
      [2, 40],
      [3, 40],
      [4, -40],
    ]);
    expect(result.sessions[0]).toMatchObject({ cancelled: 1, expired: 0 });
  });

  test('are taken back at the same moment when the exit itself is rejected', () => {
    const thin = one(minutes(10, flat(9), { volume: 400 }));
    const found = Array.from({ length: 50 }, (_, index) =>
      run(thin, { 0: 1, 2: -1 }, { ...late, reject_rate: 0.5, seed: `draw ${index}` }),
    ).filter(({ fills, sessions: [session] }) => fills.count > 0 && session?.rejected === 1);
    expect(found.length).toBeGreaterThan(5);
    for (const result of found) {
      expect(fillsOf(result).map(({ bar, qty }) => [bar, qty])).toEqual([
        [2, 40],
        [3, 40],
      ]);
      expect(result.sessions[0]).toMatchObject({ cancelled: 1, expired: 0 });
    }
  });

  test('in one bar pay for the share they take together, not each for its own', () => {
    const bars = one([
      ...minutes(10, flat(2)),
      ...minutes(12, [100], { volume: 0 }),
      ...minutes(13, [100], { volume: 1_000 }),
    ]);
    const slippage = [
      { up_to: 0.04, bps: 0 },
      { up_to: 0.1, bps: 10 },
    ];
    const model = {
      ...frictionless,
      order: { ...frictionless.order, entry_ttl_seconds: 600 },
      participation: { cap: 0.1, slippage },
      sizing: { ...frictionless.sizing, max_notional_usd: 3_000 },
    };
    const fills = fillsOf(run(bars, { 1: 1, 2: 1 }, model));
    expect(fills.map(({ bar, qty }) => [bar, qty])).toEqual([
      [3, 30],
      [3, 30],
    ]);
    expect(fills[0]?.price).toBe(100);
    expect(fills[1]?.price).toBeCloseTo(100.1, 9);
  });

  test('an exit that fills in parts is one trade with the profit of all of them', () => {
    const bars = one([
      ...minutes(10, flat(3), { volume: 100_000 }),
      ...minutes(13, [101, 102, 103, 104], { volume: 400 }),
    ]);
    const model = {
      ...frictionless,
      participation: { cap: 0.1, slippage: [{ up_to: 1, bps: 0 }] },
      order: { ...frictionless.order, exit_ttl_seconds: 600 },
      sizing: { ...frictionless.sizing, max_notional_usd: 10_000, max_participation: 1 },
    };
    const result = run(bars, { 0: 1, 2: -1 }, model);
    expect(fillsOf(result).map(({ qty }) => qty)).toEqual([100, -40, -40, -20]);
    expect(result.sessions[0]).toMatchObject({ trades: 1, fills: 4 });
    expect(result.trades.count).toBe(1);
    expect([...result.trades.notional]).toEqual([10_000]);
    expect(result.trades.profit[0]).toBeCloseTo(40 + 80 + 60, 9);
    expect([...result.trades.bar]).toEqual([5]);
  });

  test('a fill carries the decision behind it, however many wishes came between', () => {
    const bars = one([...minutes(10, [100]), ...minutes(11, flat(2), { volume: 0 }), ...minutes(13, flat(3))]);
    const patient = {
      ...frictionless,
      order: { ...frictionless.order, entry_ttl_seconds: 600 },
      cooldown_seconds: 600,
    };
    const { fills } = run(bars, { 0: 1, 1: 1, 2: 1, 4: -1 }, patient);
    expect([...fills.bar]).toEqual([3, 5]);
    expect([...fills.decided]).toEqual([0, 4]);
  });

  test('what opening has cost is told apart while it is held', () => {
    const bars = one(minutes(10, flat(6)));
    const model = { ...frictionless, commission: { per_share_usd: 0.5, rate: 0 } };
    expect(run(bars, { 0: 1 }, model).sessions[0]).toMatchObject({ commission: 5, openCost: 5, realised: 0 });
    expect(run(bars, { 0: 1, 2: -1 }, model).sessions[0]).toMatchObject({ commission: 10, openCost: 0, realised: -10 });
  });
});

describe('what becomes of a wish', () => {
  test('a second one within the cooldown is none', () => {
    const bars = one(minutes(10, flat(6)));
    const wishes = { 0: 1, 1: 1, 2: 1 } as const;
    const result = run(bars, wishes, { ...frictionless, cooldown_seconds: 120 });
    expect(result.sessions[0]?.decisions).toBe(2);
  });

  test('no entry before the close; an exit is', () => {
    const bars = one([...minutes(10, flat(2)), ...minutes(380, flat(5))]);
    expect(run(bars, { 2: 1 }, frictionless).sessions[0]?.decisions).toBe(0);
    expect(run(bars, { 0: 1, 2: -1 }, frictionless).sessions[0]).toMatchObject({ decisions: 2, trades: 1 });
  });

  test('nothing held is nothing to sell, unless shorts are allowed', () => {
    const bars = one(minutes(10, [100, 100, 99, 98]));
    expect(run(bars, { 0: -1 }, frictionless).sessions[0]?.decisions).toBe(0);
    const shorts = { ...frictionless, shorts: { allowed: true, rule_201: true } };
    const short = run(bars, { 0: -1, 2: 1 }, shorts);
    expect(fillsOf(short).map(({ qty, price }) => [qty, price])).toEqual([
      [-10, 100],
      [10, 98],
    ]);
    expect(short.sessions[0]?.realised).toBeCloseTo(20, 9);
  });

  test('after a fall of 10 % a short rests above the bid until the next session has ended', () => {
    const fallen = [
      { date, bars: minutes(10, flat(3)) },
      { date: '2026-05-13', bars: minutes(10, [89, 89, 89]) },
      { date: '2026-05-14', bars: [...minutes(10, [89, 89]), { at: 12, open: 89, high: 90 }, ...minutes(13, [89])] },
    ];
    const model = limit({ shorts: { allowed: true, rule_201: true } });
    const model201 = { ...model, order: { ...model.order, entry_ttl_seconds: 600 } };
    const fills = fillsOf(run(seriesOfBars(fallen), { 6: -1 }, model201));
    expect(fills).toEqual([{ bar: 8, qty: -11, price: 89 }]);
    const free = { ...model201, shorts: { allowed: true, rule_201: false } };
    expect(fillsOf(run(seriesOfBars(fallen), { 6: -1 }, free))).toMatchObject([{ bar: 7 }]);
  });

  test.each(['market', 'stop'] as const)(
    'after a fall of 10 %% a short by a %s order rests at the ask as well',
    (type) => {
      const fallen = seriesOfBars([
        { date, bars: minutes(10, flat(3)) },
        {
          date: '2026-05-13',
          bars: [...minutes(10, [89, 89, 89]), ...minutes(13, [89, 88]), { at: 15, open: 88, high: 89 }],
        },
      ]);
      const half = { price_below: null, volatility_below: null, half_spread_bps: 10, least_usd: 0 };
      const model: ExecutionModel = {
        ...frictionless,
        order: { ...frictionless.order, type, stop_bps: 0, entry_ttl_seconds: 600 },
        shorts: { allowed: true, rule_201: true },
        spread: { scale: 1, buckets: [half] },
      };
      const [fill] = fillsOf(run(fallen, { 4: -1 }, model));
      expect(fill).toMatchObject({ bar: 8 });
      expect(fill?.price).toBeCloseTo(88.088, 9);
      const free = { ...model, shorts: { allowed: true, rule_201: false } };
      const [sold] = fillsOf(run(fallen, { 4: -1 }, free));
      expect(sold).toMatchObject({ bar: 5 });
      expect(sold?.price).toBeCloseTo(89 - 0.089, 9);
    },
  );

  test('refusals come at their rate, and hit the same orders whatever range is simulated', () => {
    const days = ['2026-05-11', date, '2026-05-13'].map((day) => ({ date: day, bars: minutes(1, flat(300)) }));
    const series = seriesOfBars(days);
    const actions = new Int8Array(series.close.length).map((_, row) => (row % 4 === 0 ? 1 : row % 4 === 2 ? -1 : 0));
    const model = { ...frictionless, reject_rate: 0.3 };
    const market = marketOf(series, series.halfSpread, model);
    const whole = simulate(market, { actions }, model, [], { from: 0, to: 3 });
    const orders = whole.sessions.reduce((sum, session) => sum + session.orders, 0);
    const rejected = whole.sessions.reduce((sum, session) => sum + session.rejected, 0);
    expect(rejected / orders).toBeGreaterThan(0.22);
    expect(rejected / orders).toBeLessThan(0.38);
    const alone = simulate(market, { actions }, model, [], { from: 2, to: 3 });
    expect(alone.sessions[0]).toEqual(whole.sessions[2]);
    expect(fillsDigest([simulate(market, { actions }, model, [], { from: 0, to: 3 })])).toBe(fillsDigest([whole]));
  });
});

describe('accounts', () => {
  const walks = fc.record({
    moves: fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 30, maxLength: 200 }),
    wishes: fc.array(fc.constantFrom(-1, 0, 1), { minLength: 30, maxLength: 200 }),
    shorts: fc.boolean(),
    volume: fc.integer({ min: 50, max: 5_000 }),
  });

  test('what was paid and received is what equity says, and profit is realised or not', () => {
    fc.assert(
      fc.property(walks, ({ moves, wishes, shorts, volume }) => {
        let price = 100;
        const opens = moves.map((move) => (price = Math.max(5, price + move / 100)));
        const series = one(minutes(5, opens, { volume }));
        const model: ExecutionModel = {
          ...frictionless,
          participation: { cap: 0.1, slippage: [{ up_to: 0.1, bps: 2 }] },
          spread: { ...frictionless.spread, scale: 1 },
          commission: { per_share_usd: 0.01, rate: 1e-4 },
          shorts: { allowed: shorts, rule_201: false },
          reject_rate: 0.1,
        };
        const asked = Object.fromEntries(wishes.flatMap((wish, row) => (wish === 0 ? [] : [[row, wish]])));
        const result = run(series, asked, model);
        let [cash, position, smallest] = [0, 0, 0];
        for (const [index, { qty, price: paid }] of fillsOf(result).entries()) {
          cash -= qty * paid + (result.fills.commission[index] ?? 0);
          position += qty;
          smallest = Math.min(smallest, position);
        }
        const last = series.close.at(-1) ?? 0;
        expect(result.equity.at(-1)).toBeCloseTo(cash + position * last, 6);
        const [sums] = result.sessions;
        expect((sums?.realised ?? 0) + (sums?.unrealised ?? 0)).toBeCloseTo(cash + position * last, 6);
        const profit = result.trades.profit.reduce((sum, value) => sum + value, 0);
        expect(profit).toBeCloseTo(sums?.realised ?? 0, 6);
        if (!shorts) expect(smallest).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 60 },
    );
  });

  test('regulatory fees of a day are those the broker charges', () => {
    const found = sessionFeesOn(date);
    if (!found.ok) throw new Error(found.detail);
    const series = one(minutes(10, [250, 250, 250, 251, 251, 252]));
    const model = { ...frictionless, sizing: { ...frictionless.sizing, max_notional_usd: 10_000 } };
    const result = run(series, { 0: 1, 2: -1 }, model, [found.fees]);
    const symbol = asTicker('TEST1');
    if (symbol === null) throw new Error('expected a ticker');
    const fills = fillsOf(result).map(({ bar, qty, price }, index): Fill => ({
      accountLabel: 'paper' as AccountLabel,
      strategyId: 'one',
      symbol,
      executionId: String(index),
      executedAt: series.start[bar] ?? 0,
      side: qty > 0 ? 'buy' : 'sell',
      qty: decimal(String(Math.abs(qty))),
      price: decimal(String(price)),
    }));
    const charged = feesOfDay(fills);
    if (!charged.ok) throw new Error(charged.detail);
    expect((result.sessions[0]?.fees ?? []).map(chargedFee)).toEqual(
      charged.fees.map(({ charged: cents }) => Number(cents.toFixed())),
    );
  });

  test('a date without a fee is an error', () => {
    expect(sessionFeesOn('1999-01-04')).toMatchObject({ ok: false, code: 'fee_schedule_missing' });
  });

  test('every field of the model is part of its hash', () => {
    expect(executionModelHash({ ...frictionless, touch_fills: true })).not.toBe(executionModelHash(frictionless));
  });
});
