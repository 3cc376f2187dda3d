import {
  compareOrder,
  decimal,
  meetOrders,
  type BrokerOrder,
  type LedgerOrder,
  type ListedFill,
  type ListedOrder,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const at = Date.parse('2026-02-13T15:04:00.000Z');

const ours = (change: Partial<LedgerOrder> = {}): LedgerOrder => ({
  executionId: 'execution-1',
  brokerOrderId: 'order-1',
  clientOrderId: 'tg1-1',
  symbol: 'AAPL',
  state: 'filled',
  submittedQty: '10',
  submittedAt: at,
  provenanceKnown: true,
  imported: false,
  booked: 'a 4 100\nb 6 101',
  reported: 'a 4 100\nb 6 101',
  ...change,
});

const theirs = (change: Partial<BrokerOrder> = {}): BrokerOrder => ({
  id: 'order-1',
  clientOrderId: 'tg1-1',
  symbol: 'AAPL',
  side: 'buy',
  type: 'limit',
  timeInForce: 'day',
  qty: decimal('10'),
  filledQty: decimal('10'),
  filledAvgPrice: decimal('100.6'),
  limitPrice: decimal('101'),
  status: 'filled',
  submittedAt: at,
  updatedAt: at,
  replaces: null,
  replacedBy: null,
  raw: {},
  ...change,
});

const complete = { fillsComplete: true };

describe('an order compared with the broker’s', () => {
  it.each<[string, Partial<LedgerOrder>, Partial<BrokerOrder>, readonly string[], boolean]>([
    ['agrees', {}, {}, [], false],
    [
      'agrees while nothing is filled',
      { state: 'working', booked: '', reported: '' },
      { status: 'new', filledQty: decimal('0'), filledAvgPrice: null },
      [],
      false,
    ],
    ['keeps its state under a status nobody knows', {}, { status: 'teleported' }, [], false],
    ['takes another state', { state: 'working' }, {}, [], true],
    ['lacks a fill', { booked: 'a 4 100' }, {}, ['fill_missing_locally', 'fill_qty_mismatch'], false],
    ['has a fill the broker does not list', { reported: 'a 4 100' }, {}, ['fill_qty_mismatch'], false],
    [
      'has a fill of another size',
      { booked: 'a 4 100\nb 5 101' },
      {},
      ['fill_qty_mismatch', 'fill_qty_mismatch'],
      false,
    ],
    [
      'has a fill at another price',
      { booked: 'a 4 100\nb 6 101.1' },
      {},
      ['fill_price_mismatch', 'fill_price_mismatch'],
      false,
    ],
    ['has a price within one part in ten thousand', { booked: 'a 4 100\nb 6 101.01' }, {}, [], false],
    [
      'is filled for more than it asked',
      { booked: 'a 4 100\nb 7 101', reported: 'a 4 100\nb 7 101' },
      { filledQty: decimal('11'), filledAvgPrice: decimal('100.63636364') },
      ['overfill'],
      false,
    ],
    ['does not know its route', { provenanceKnown: false }, {}, ['provenance_missing'], false],
    ['was imported without a route', { provenanceKnown: false, imported: true }, {}, [], false],
  ])('%s', (_name, left, right, types, applyBrokerState) => {
    const findings = compareOrder(ours(left), theirs(right), complete);
    expect([findings.breaks.map(({ type }) => type), findings.applyBrokerState]).toEqual([types, applyBrokerState]);
  });

  it('says nothing about fills when the broker’s were not all read', () => {
    expect(compareOrder(ours({ booked: '' }), theirs(), { fillsComplete: false })).toEqual({
      breaks: [],
      applyBrokerState: false,
    });
  });

  it('is the same finding whenever it is found', () => {
    const find = () => compareOrder(ours({ booked: 'a 4 100' }), theirs(), complete);
    expect(JSON.stringify(find())).toBe(JSON.stringify(find()));
  });
});

interface Traded {
  readonly order: ListedOrder;
  readonly broker: BrokerOrder;
  readonly fills: readonly ListedFill[];
}

/** A day in which every order was filled in one to three pieces, a while after it was sent. */
const day = fc
  .array(
    fc.record({
      pieces: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
      wait: fc.integer({ min: 0, max: 5_000 }),
      after: fc.integer({ min: 0, max: 1_000 }),
    }),
    { maxLength: 40 },
  )
  .map((orders): readonly Traded[] => {
    let time = at;
    return orders.map(({ pieces, wait, after }, index) => {
      time += after;
      const id = `order-${index}`;
      const qty = String(pieces.reduce((sum, piece) => sum + piece, 0));
      const listed = ours({
        brokerOrderId: id,
        submittedQty: qty,
        submittedAt: time,
      });
      return {
        order: listed,
        broker: theirs({
          id,
          qty: decimal(qty),
          filledQty: decimal(qty),
          filledAvgPrice: decimal('100'),
          submittedAt: time,
        }),
        fills: pieces.map((piece, part) => ({
          brokerOrderId: id,
          executionId: `${index}-${part}`,
          qty: `${piece}.00000000`,
          price: '100.00000000',
          at: time + wait * (part + 1),
        })),
      };
    });
  });

async function* batched<T>(rows: readonly T[], size: number): AsyncGenerator<readonly T[]> {
  for (let from = 0; from < rows.length; from += size) yield await Promise.resolve(rows.slice(from, from + size));
}

const meet = (
  traded: readonly Traded[],
  sizes: readonly number[],
  lost: { fill?: string; order?: string; ours?: string } = {},
) => {
  const fills = traded.flatMap((one) => one.fills).toSorted((a, b) => a.at - b.at);
  return meetOrders(
    {
      ours: batched(
        traded.map(({ order }) => order).filter(({ brokerOrderId: id }) => id !== lost.ours),
        sizes[0] ?? 1,
      ),
      theirs: batched(
        traded.map(({ broker }) => broker).filter(({ id }) => id !== lost.order),
        sizes[1] ?? 1,
      ),
      booked: batched(
        fills.filter(({ executionId: id }) => id !== lost.fill),
        sizes[2] ?? 1,
      ),
      reported: batched(fills, sizes[3] ?? 1),
    },
    complete,
  );
};

const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 4, maxLength: 4 });

describe('lists of orders and fills', () => {
  it('of a day that agrees leave nothing to dispute, in whatever pieces they come', async () => {
    await fc.assert(
      fc.asyncProperty(day, sizes, async (traded, pieces) => {
        expect(await meet(traded, pieces)).toEqual({ orders: traded.length, known: traded.length, disputed: [] });
      }),
    );
  });

  it('dispute exactly the order one of them lacks, or lacks a fill of', async () => {
    await fc.assert(
      fc.asyncProperty(
        day,
        sizes,
        fc.nat(),
        fc.constantFrom('fill', 'order', 'ours'),
        async (traded, pieces, pick, what) => {
          const chosen = traded[pick % Math.max(1, traded.length)];
          if (chosen === undefined) return;
          const id = what === 'fill' ? chosen.fills[0]?.executionId : chosen.order.brokerOrderId;
          const { disputed } = await meet(traded, pieces, { [what]: id });
          expect(disputed).toEqual([
            {
              brokerOrderId: chosen.order.brokerOrderId,
              ours: what === 'ours' ? null : chosen.order,
              theirs: what === 'order' ? null : chosen.broker,
            },
          ]);
        },
      ),
    );
  });

  it('never keep more than what lies between them', async () => {
    let pulled = 0;
    let ahead = 0;
    const count = 2_000;
    const rows = Array.from({ length: count }, (_, index) => {
      return ours({ brokerOrderId: `o${index}`, submittedAt: at + index });
    });
    async function* slow(): AsyncGenerator<readonly ListedOrder[]> {
      for (const row of rows) {
        pulled += 1;
        yield await Promise.resolve([row]);
      }
    }
    async function* other(): AsyncGenerator<readonly BrokerOrder[]> {
      for (const row of rows) {
        ahead = Math.max(ahead, pulled - rows.indexOf(row));
        yield await Promise.resolve([
          theirs({
            id: row.brokerOrderId,
            submittedAt: row.submittedAt,
            filledQty: decimal('0'),
            filledAvgPrice: null,
          }),
        ]);
      }
    }
    const { disputed } = await meetOrders(
      { ours: slow(), theirs: other(), booked: batched([], 1), reported: batched([], 1) },
      complete,
    );
    expect(disputed).toEqual([]);
    expect(ahead).toBeLessThan(4);
  });
});
