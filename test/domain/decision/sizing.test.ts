import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { capNames, decimal, decimalText, sizeEntry, sizeExit, type EntrySizing } from '@torghut/domain';
import { limitsWith } from './fixtures.ts';

const nothing: EntrySizing = {
  price: decimal('100'),
  strategyMaxNotional: null,
  stageMaxNotional: null,
  globalMaxNotional: null,
  positionPct: null,
  equity: null,
  positionValue: decimal('0'),
  grossRoom: null,
  netRoom: null,
  buyingPower: null,
  meanMinuteVolume: null,
  fractionable: true,
};
const size = (changes: Partial<EntrySizing>, limits = limitsWith()) => {
  const { qty, problem, bindingCap, budget } = sizeEntry({ ...nothing, ...changes }, limits);
  return { qty: decimalText(qty), problem, bindingCap, budget: budget === null ? null : decimalText(budget) };
};

describe('sizing of an entry', () => {
  it('refuses to size without any cap', () => {
    expect(size({})).toEqual({ qty: '0', problem: 'sizing_unbounded', bindingCap: null, budget: null });
  });

  it.each<[string, Partial<EntrySizing>, string, string]>([
    ['strategy_max_notional', { strategyMaxNotional: decimal('350') }, '350', '3'],
    ['stage_max_notional', { strategyMaxNotional: decimal('350'), stageMaxNotional: decimal('250') }, '250', '2'],
    ['global_max_notional', { globalMaxNotional: decimal('199.99') }, '199.99', '1'],
    [
      'position_pct_equity',
      { equity: decimal('10000'), positionPct: decimal('0.025'), positionValue: decimal('50') },
      '200',
      '2',
    ],
    ['gross_room', { grossRoom: decimal('100') }, '100', '1'],
    ['net_room', { netRoom: decimal('120') }, '120', '1'],
    ['buying_power', { buyingPower: decimal('1000') }, '900', '9'],
    ['participation', { meanMinuteVolume: 55 }, '550', '5'],
  ])('names %s when it binds', (cap, changes, budget, qty) => {
    expect(size(changes)).toEqual({ qty, problem: null, bindingCap: cap, budget });
  });

  it.each<[string, Partial<EntrySizing>]>([
    ['a strategy cap', { strategyMaxNotional: decimal('0') }],
    ['a global cap', { globalMaxNotional: decimal('0') }],
    ['a share of equity', { equity: decimal('100000'), positionPct: decimal('0') }],
    ['traded volume', { meanMinuteVolume: 0 }],
    ['buying power', { buyingPower: decimal('0') }],
    ['room below zero', { grossRoom: decimal('-5') }],
  ])('takes zero for %s as a limit, not as "not set"', (_claim, changes) => {
    expect(size({ stageMaxNotional: decimal('250'), ...changes })).toMatchObject({
      qty: '0',
      problem: 'qty_below_min',
      budget: '0',
    });
  });

  it('respects a reserve and a participation rate of zero', () => {
    expect(size({ buyingPower: decimal('1000') }, limitsWith({ buyingPowerReserve: '0' })).budget).toBe('1000');
    expect(size({ meanMinuteVolume: 1_000 }, limitsWith({ maxParticipationRate: '0' })).problem).toBe('qty_below_min');
  });

  it('never rounds up: a share dearer than the cap cannot be bought', () => {
    expect(size({ globalMaxNotional: decimal('250'), price: decimal('250.01') })).toMatchObject({
      qty: '0',
      problem: 'qty_below_min',
    });
    expect(size({ globalMaxNotional: decimal('250'), price: decimal('250') }).qty).toBe('1');
  });

  it('floors fractions to four places where they are allowed and the asset has them', () => {
    const limits = limitsWith({ allowFractional: true });
    expect(size({ globalMaxNotional: decimal('250'), price: decimal('300') }, limits).qty).toBe('0.8333');
    expect(
      size({ globalMaxNotional: decimal('250'), price: decimal('300'), fractionable: false }, limits).problem,
    ).toBe('qty_below_min');
    expect(size({ globalMaxNotional: decimal('0.99') }, limits)).toMatchObject({
      qty: '0',
      problem: 'min_notional_not_met',
    });
    expect(size({ globalMaxNotional: decimal('1') }, limits).qty).toBe('0.01');
  });

  it('never exceeds any cap, and is the largest lot that does not', () => {
    const money = fc.integer({ min: 0, max: 100_000_000 }).map((cents) => decimal((cents / 100).toFixed(2)));
    const cap = fc.option(money);
    fc.assert(
      fc.property(
        money.filter((price) => price.gt(decimal('0'))),
        cap,
        cap,
        cap,
        cap,
        fc.boolean(),
        (price, strategyMaxNotional, stageMaxNotional, grossRoom, buyingPower, allowFractional) => {
          const limits = limitsWith({ allowFractional });
          const sized = sizeEntry(
            { ...nothing, price, strategyMaxNotional, stageMaxNotional, grossRoom, buyingPower },
            limits,
          );
          const notional = sized.qty.times(price);
          for (const name of capNames) {
            const text = sized.caps[name];
            if (text !== null) expect(notional.lte(decimal(text))).toBe(true);
          }
          if (sized.problem !== null) expect(sized.qty.eq(decimal('0'))).toBe(true);
          else {
            const lot = decimal(allowFractional ? '0.0001' : '1');
            expect(sized.qty.mod(lot).eq(decimal('0'))).toBe(true);
            expect(sized.qty.plus(lot).times(price).gt(decimal(sized.caps[sized.bindingCap!]!))).toBe(true);
          }
        },
      ),
    );
  });
});

describe('sizing of an exit', () => {
  it.each([
    ['10', '0', '10'],
    ['10', '4', '6'],
    ['10', '10', '0'],
    ['10', '12', '0'],
    ['0', '0', '0'],
    ['-5', '0', '0'],
    ['1.7', '0', '1'],
  ])('of %s held and %s reserved sells %s', (held, reserved, qty) => {
    expect(decimalText(sizeExit(decimal(held), decimal(reserved), true, { allowFractional: false }))).toBe(qty);
  });
});
