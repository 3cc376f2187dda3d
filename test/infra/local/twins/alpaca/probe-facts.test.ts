import { describe, expect, it } from 'vitest';
import { defaultProbeFacts } from '../../../../../infra/local/twins/index.ts';
import type { ProbeFacts } from '../../../../../infra/local/twins/index.ts';
import { midSession, quote, quotedMarket } from '../support.ts';
import { friday, useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();
type World = Awaited<ReturnType<typeof start>>;

interface Case<Name extends keyof ProbeFacts = keyof ProbeFacts> {
  readonly fact: Name;
  readonly other: ProbeFacts[Name];
  readonly at?: number;
  /** What is seen of the broker, by default and with the other value. */
  readonly seen: (world: World) => Promise<unknown>;
  readonly byDefault: unknown;
  readonly otherwise: unknown;
}
const known = <Name extends keyof ProbeFacts>(row: Case<Name>): Case => row;

const placed = async (world: World, change: Body = {}) => {
  const answer = await world.place(change);
  await world.order(answer);
  return answer;
};
/** Places an order that fills in part, by hand, at half of its quantity. */
const partlyFilled = async (world: World) => {
  const answer = await placed(world, { qty: '10' });
  world.twin.disturb({ kind: 'fill', order: 'order-1', qty: '4' });
  return answer;
};
const suspend = (world: World) => world.call('PATCH', '/v2/account/configurations', { suspend_trade: true });

const cases: readonly Case[] = [
  known({
    fact: 'bothQtyAndNotionalStatus',
    other: 422,
    seen: async ({ place }) => (await place({ notional: '5' })).status,
    byDefault: 400,
    otherwise: 422,
  }),
  known({
    fact: 'clientOrderIdReusable',
    other: true,
    seen: async (world) => {
      await world.cancel(await placed(world));
      await world.read('/v2/clock');
      return (await world.place({ client_order_id: 'order-1' })).status;
    },
    byDefault: 422,
    otherwise: 200,
  }),
  known({
    fact: 'unlistedStatusesReplaceable',
    other: true,
    seen: async (world) => {
      const answer = await placed(world);
      world.twin.disturb({ kind: 'order_status', order: 'order-1', status: 'suspended' });
      return (await world.replace(answer, { limit_price: '91' })).status;
    },
    byDefault: 422,
    otherwise: 200,
  }),
  known({
    fact: 'partiallyFilledReplaceable',
    other: false,
    seen: async (world) => (await world.replace(await partlyFilled(world), { limit_price: '91' })).status,
    byDefault: 200,
    otherwise: 422,
  }),
  known({
    fact: 'replacementQuantity',
    other: 'carried',
    seen: async (world) => {
      const next = await world.replace(await partlyFilled(world), { limit_price: '91' });
      const { qty, filled_qty: filled } = await world.order(next);
      return [qty, filled];
    },
    byDefault: ['6', '0'],
    otherwise: ['10', '4'],
  }),
  known({
    fact: 'suspendCancelsOpenOrders',
    other: true,
    seen: async (world) => {
      const answer = await placed(world);
      await suspend(world);
      return world.status(answer);
    },
    byDefault: 'new',
    otherwise: 'canceled',
  }),
  known({
    fact: 'suspendRefusesCancels',
    other: true,
    seen: async (world) => {
      const answer = await placed(world);
      await suspend(world);
      return (await world.cancel(answer)).status;
    },
    byDefault: 204,
    otherwise: 403,
  }),
  known({
    fact: 'dayOrderEnd',
    other: 'canceled',
    seen: async (world) => {
      const answer = await placed(world);
      world.clock.advanceTo(friday('16:00'));
      return world.status(answer);
    },
    byDefault: 'expired',
    otherwise: 'canceled',
  }),
  known({
    fact: 'immediateOrders',
    other: false,
    seen: async ({ place }) => (await place({ time_in_force: 'ioc' })).status,
    byDefault: 200,
    otherwise: 422,
  }),
  known({
    fact: 'auctionOrders',
    other: 'at_once',
    seen: async (world) => world.status(await world.market({ time_in_force: 'cls' })),
    byDefault: 'accepted',
    otherwise: 'filled',
  }),
  known({
    fact: 'extendedHoursGtc',
    other: false,
    seen: async ({ place }) => (await place({ time_in_force: 'gtc', extended_hours: true })).status,
    byDefault: 200,
    otherwise: 422,
  }),
  known({
    fact: 'notionalMarketDayOnly',
    other: false,
    seen: async ({ place }) => (await place({ qty: undefined, notional: '180' })).status,
    byDefault: 422,
    otherwise: 200,
  }),
  known({
    fact: 'fractionalExtendedHoursByAttribute',
    other: false,
    seen: async ({ place }) => (await place({ qty: '1.5', extended_hours: true })).status,
    byDefault: 422,
    otherwise: 200,
  }),
  known({
    fact: 'stopConversionShown',
    other: true,
    seen: async (world) => {
      const answer = await world.place({ type: 'stop', limit_price: undefined, stop_price: '120' });
      const { type, limit_price: limit } = await world.order(answer);
      return [type, limit];
    },
    byDefault: ['stop', null],
    otherwise: ['stop_limit', '123'],
  }),
  known({
    fact: 'marketOrderBuffer',
    other: '0.04',
    seen: async ({ market }) => (await market({ qty: '4000' })).body['cost_basis'] ?? null,
    byDefault: '400080',
    otherwise: '416083.2',
  }),
  known({
    fact: 'priceAwayLimit',
    other: '0.05',
    seen: async ({ place }) => [(await place()).status, (await place({ limit_price: '95' })).status],
    byDefault: [200, 200],
    otherwise: [422, 200],
  }),
  known({
    fact: 'halfDayExtendedClose',
    other: '20:00',
    seen: async ({ read }) => {
      const [day] = (await read('/v2/calendar?start=2026-11-27&end=2026-11-27')) as unknown as Body[];
      return day?.['session_close'];
    },
    byDefault: '1700',
    otherwise: '2000',
  }),
  known({
    fact: 'statusOfCode',
    other: { 40310000: 422 },
    seen: async ({ place }) => (await place({ qty: '100000' })).status,
    byDefault: 403,
    otherwise: 422,
  }),
  known({
    fact: 'rateHeadersOnOrders',
    other: false,
    seen: async ({ call }) => [
      (await call('GET', '/v2/orders')).headers.get('x-ratelimit-limit'),
      (await call('GET', '/v2/account')).headers.get('x-ratelimit-limit'),
    ],
    byDefault: ['200', '200'],
    otherwise: [null, '200'],
  }),
  known({
    fact: 'activitiesOrderIdFilter',
    other: false,
    seen: async (world) => {
      await world.market();
      return (await world.list('/v2/account/activities?order_id=none')).length;
    },
    byDefault: 0,
    otherwise: 1,
  }),
  known({
    fact: 'feeRows',
    other: true,
    seen: async (world) => {
      await world.market();
      await world.read('/v2/clock');
      world.clock.advance(86_400_000);
      return (await world.list('/v2/account/activities/FEE')).map((row) => row['activity_sub_type']);
    },
    byDefault: [],
    otherwise: ['CAT'],
  }),
];
/** Shown on the event stream, where their own tests are. */
const ofTheStream = ['secondStream', 'streamFillPrice', 'bustsOnStream'];

describe('what only a probe can tell', () => {
  it('is switchable, every fact of it', () => {
    expect([...cases.map(({ fact }) => fact), ...ofTheStream].toSorted()).toEqual(
      Object.keys(defaultProbeFacts).toSorted(),
    );
  });

  it.each(cases)('$fact by default and as $other', async ({ fact, other, seen, byDefault, otherwise }) => {
    const marketData = quotedMarket({ AAPL: [quote(midSession - 3_600_000, '99.98', '100.02')] });
    expect(await seen(await start({ marketData }))).toEqual(byDefault);
    expect(await seen(await start({ marketData, facts: { [fact]: other } }))).toEqual(otherwise);
  });
});
