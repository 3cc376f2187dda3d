import {
  compareOrder,
  decimal,
  meetOrders,
  type BrokerOrder,
  type LedgerBatch,
  type LedgerOrder,
  type LedgerRow,
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
  side: 'buy',
  state: 'filled',
  submittedQty: '10',
  submittedAt: at,
  provenanceKnown: true,
  imported: false,
  booked: 'a 4 100\nb 6 101',
  reported: 'a 4 100\nb 6 101',
  carried: '0',
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
    ['is of another symbol', {}, { symbol: 'MSFT' }, ['external_order'], false],
    ['is of the other side', {}, { side: 'sell' }, ['external_order'], false],
    ['asks for another quantity', {}, { qty: decimal('40') }, ['external_order'], false],
    ['is a replacement for what was left', {}, { qty: decimal('6'), replaces: 'order-0' }, [], false],
    [
      'replaces one whose fills the broker counts here too',
      { booked: 'b 6 101', reported: 'b 6 101', carried: '4' },
      { replaces: 'order-0' },
      [],
      false,
    ],
    [
      'replaces one whose fills do not make up for what is missing here',
      { booked: 'b 6 101', reported: 'b 6 101', carried: '3' },
      { replaces: 'order-0' },
      ['fill_qty_mismatch'],
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
  /** With the time that each was booked and reported at: an instant apart, because two sources tell it. */
  readonly fills: readonly (ListedFill & { readonly bookedAt: number; readonly reportedAt: number })[];
}

/** A day in which every order was filled in one to three pieces, a while after it was sent. */
const day = fc
  .array(
    fc.record({
      pieces: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
      wait: fc.integer({ min: 0, max: 5_000 }),
      after: fc.integer({ min: 0, max: 1_000 }),
      apart: fc.constantFrom(0, 0, 1, 700),
    }),
    { maxLength: 40 },
  )
  .map((orders): readonly Traded[] => {
    let time = at;
    return orders.map(({ pieces, wait, after, apart }, index) => {
      time += after;
      const id = `order-${index}`;
      const qty = String(pieces.reduce((sum, piece) => sum + piece, 0));
      const listed = ours({ brokerOrderId: id, submittedQty: qty, submittedAt: time });
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
          fillId: `${index}-${part}`,
          qty: `${piece}.00000000`,
          price: '100.00000000',
          listed: 'both',
          bookedAt: time + wait * (part + 1),
          reportedAt: time + wait * (part + 1) + apart,
        })),
      };
    });
  });

const noOrder = {
  symbol: null,
  side: null,
  state: null,
  submittedQty: null,
  submittedAt: null,
  provenanceKnown: null,
  imported: null,
} as const;
const noFill = { fillId: null, qty: null, price: null, listed: null } as const;

/** The ledger's rows in spans of a length: what happened within one, beside each other. */
async function* spans(
  traded: readonly Traded[],
  length: number,
  lost: { readonly fill: string | undefined; readonly order: string | undefined },
): AsyncGenerator<LedgerBatch> {
  const end = Math.max(
    at,
    ...traded.flatMap(({ order, fills }) => [order.submittedAt, ...fills.map((one) => one.reportedAt)]),
  );
  for (let from = at; from <= end; from += length) {
    const within = (time: number): boolean => time >= from && time < from + length;
    const rows = traded.flatMap(({ order, fills }): LedgerRow[] => {
      const { brokerOrderId } = order;
      const isListed = within(order.submittedAt) && brokerOrderId !== lost.order;
      const parts = fills.flatMap(({ bookedAt, reportedAt, ...fill }): ListedFill[] => {
        const [booked, reported] = [within(bookedAt) && fill.fillId !== lost.fill, within(reportedAt)];
        if (!booked && !reported) return [];
        return [{ ...fill, listed: booked && reported ? 'both' : booked ? 'booked' : 'reported' }];
      });
      if (parts.length > 0) return parts.map((fill) => ({ ...(isListed ? order : noOrder), brokerOrderId, ...fill }));
      return isListed ? [{ ...order, ...noFill }] : [];
    });
    yield await Promise.resolve({ rows, reach: from + length > end ? null : from + length });
  }
}

async function* batched<T>(rows: readonly T[], size: number): AsyncGenerator<readonly T[]> {
  for (let from = 0; from < rows.length; from += size) yield await Promise.resolve(rows.slice(from, from + size));
}

const meet = (
  traded: readonly Traded[],
  [length = 1, size = 1]: readonly number[],
  lost: { fill?: string | undefined; order?: string | undefined; ours?: string | undefined } = {},
) =>
  meetOrders(
    {
      ours: spans(traded, length * 500, { fill: lost.fill, order: lost.ours }),
      theirs: batched(
        traded.map(({ broker }) => broker).filter(({ id }) => id !== lost.order),
        size,
      ),
    },
    complete,
  );

const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 2 });

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
          const id = what === 'fill' ? chosen.fills[0]?.fillId : chosen.order.brokerOrderId;
          const { disputed } = await meet(traded, pieces, { [what]: id });
          expect(disputed).toMatchObject([
            {
              brokerOrderId: chosen.order.brokerOrderId,
              ours: what === 'ours' ? null : { submittedAt: chosen.order.submittedAt },
              theirs: what === 'order' ? null : chosen.broker,
            },
          ]);
        },
      ),
    );
  });

  it('dispute a fill of an order outside them only while one side lacks it', async () => {
    async function* fillsAlone(...listed: readonly ListedFill['listed'][]): AsyncGenerator<LedgerBatch> {
      const fill = { fillId: 'a', qty: '1', price: '100' };
      const rows = listed.map((one): LedgerRow => ({ brokerOrderId: 'older', ...noOrder, ...fill, listed: one }));
      yield await Promise.resolve({ rows, reach: null });
    }
    const disputedOf = async (...listed: readonly ListedFill['listed'][]): Promise<number> =>
      (await meetOrders({ ours: fillsAlone(...listed), theirs: batched([], 1) }, complete)).disputed.length;
    expect([await disputedOf('both'), await disputedOf('booked', 'reported')]).toEqual([0, 0]);
    expect([await disputedOf('reported'), await disputedOf('booked')]).toEqual([1, 1]);
  });

  it('say nothing about fills when the broker’s were not all read', async () => {
    const order = ours({ submittedQty: '10' });
    async function* unreported(): AsyncGenerator<LedgerBatch> {
      const rows = ['a', 'b'].map((fillId): LedgerRow => ({
        ...order,
        fillId,
        qty: '5',
        price: '100',
        listed: 'booked',
      }));
      yield await Promise.resolve({ rows, reach: null });
    }
    const broker = theirs({ filledQty: decimal('0'), filledAvgPrice: null });
    const met = await meetOrders({ ours: unreported(), theirs: batched([broker], 1) }, { fillsComplete: false });
    expect(met).toEqual({ orders: 1, known: 1, disputed: [] });
  });

  it('never keep more than what lies between them', async () => {
    let pulled = 0;
    let ahead = 0;
    const count = 2_000;
    const rows = Array.from({ length: count }, (_, index) =>
      ours({ brokerOrderId: `o${index}`, submittedAt: at + index }),
    );
    async function* slow(): AsyncGenerator<LedgerBatch> {
      for (const row of rows) {
        pulled += 1;
        const reach = pulled === count ? null : row.submittedAt + 1;
        yield await Promise.resolve({ rows: [{ ...row, ...noFill }], reach });
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
    const { disputed } = await meetOrders({ ours: slow(), theirs: other() }, complete);
    expect(disputed).toEqual([]);
    expect(ahead).toBeLessThan(4);
  });
});
