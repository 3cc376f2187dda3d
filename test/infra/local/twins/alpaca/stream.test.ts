import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { AlpacaTwin } from '../../../../../infra/local/twins/index.ts';
import { midSession, quote, quotedMarket } from '../support.ts';
import { friday, useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();
const sockets: WebSocket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
});

interface Message {
  readonly stream: string;
  readonly data: Body & { readonly order?: Body };
}

const connect = async (twin: AlpacaTwin) => {
  const socket = new WebSocket(twin.streamUrl);
  sockets.push(socket);
  const messages: Message[] = [];
  const kinds: boolean[] = [];
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    kinds.push(isBinary);
    messages.push(JSON.parse(data.toString('utf8')) as Message);
  });
  await once(socket, 'open');
  const send = async (message: unknown) => {
    const count = messages.length;
    socket.send(JSON.stringify(message));
    await expect.poll(() => messages.length).toBeGreaterThan(count);
    return messages.at(-1);
  };
  const updates = () => messages.filter(({ stream }) => stream === 'trade_updates').map(({ data }) => data);
  const listen = async () => {
    await send({ action: 'authenticate', data: { key_id: 'PK', secret_key: 'secret' } });
    await send({ action: 'listen', data: { streams: ['trade_updates'] } });
  };
  return { socket, send, updates, listen, kinds };
};
const events = (updates: readonly Body[]) => updates.map(({ event }) => event);

describe('the event stream', () => {
  it('shakes hands, and tells nothing before', async () => {
    const { twin, place } = await start();
    const { send, updates } = await connect(twin);
    const listen = { action: 'listen', data: { streams: ['trade_updates', 'other'] } };
    expect(await send(listen)).toMatchObject({ stream: 'authorization', data: { status: 'unauthorized' } });
    await place();
    expect(await send({ action: 'authenticate', data: { key_id: 'PK', secret_key: 's' } })).toEqual({
      stream: 'authorization',
      data: { status: 'authorized', action: 'authenticate' },
    });
    expect(await send(listen)).toEqual({ stream: 'listening', data: { streams: ['trade_updates'] } });
    expect(updates()).toEqual([]);
    expect(await send({ action: 'dance' })).toMatchObject({ action: 'error' });
  });

  it('refuses other keys than the ones in force', async () => {
    const { twin } = await start();
    twin.setKeys({ keyId: 'PK', secretKey: 'new' });
    const { send } = await connect(twin);
    expect(await send({ action: 'authenticate', data: { key_id: 'PK', secret_key: 'old' } })).toMatchObject({
      data: { status: 'unauthorized' },
    });
  });

  it('tells every step of an order in binary frames, fills with their execution id and the position', async () => {
    const { twin, place } = await start();
    const { listen, updates, kinds } = await connect(twin);
    await listen();
    const placed = await place({ limit_price: '101' });
    await expect.poll(() => events(updates())).toEqual(['pending_new', 'new', 'fill']);
    expect(updates().at(-1)).toMatchObject({
      execution_id: twin.fills()[0]?.id,
      price: '100.02',
      qty: '2',
      position_qty: '2',
      timestamp: new Date(midSession).toISOString(),
      order: { id: placed.body['id'], status: 'filled', filled_qty: '2' },
    });
    expect(kinds.every(Boolean)).toBe(true);
  });

  it.each<[string, (world: Awaited<ReturnType<typeof start>>, placed: { body: Body }) => unknown, string[]]>([
    ['a cancel', ({ cancel }, placed) => cancel(placed), ['pending_cancel', 'canceled']],
    [
      'an expiry',
      ({ clock }) => {
        clock.advanceTo(friday('16:00'));
      },
      ['expired'],
    ],
    [
      'a replacement',
      ({ replace }, placed) => replace(placed, { limit_price: '91' }),
      ['pending_replace', 'accepted', 'replaced', 'pending_new', 'new'],
    ],
    ['a partial fill', ({ twin }) => twin.disturb({ kind: 'fill', order: 'order-1', qty: '1' }), ['partial_fill']],
    ['a stop', ({ twin }) => twin.disturb({ kind: 'order_status', order: 'order-1', status: 'stopped' }), ['stopped']],
    [
      'a suspension',
      ({ twin }) => twin.disturb({ kind: 'order_status', order: 'order-1', status: 'suspended' }),
      ['suspended'],
    ],
    [
      'the end of its day',
      ({ twin }) => twin.disturb({ kind: 'order_status', order: 'order-1', status: 'done_for_day' }),
      ['done_for_day'],
    ],
    [
      'its settlement',
      ({ twin }) => twin.disturb({ kind: 'order_status', order: 'order-1', status: 'calculated' }),
      ['calculated'],
    ],
    [
      'a rejection',
      ({ twin }) => twin.disturb({ kind: 'order_status', order: 'order-1', status: 'rejected' }),
      ['rejected'],
    ],
    [
      'a bust and a correction',
      ({ twin }) => {
        twin.disturb({ kind: 'fill', order: 'order-1', qty: '1' });
        twin.disturb({ kind: 'trade_correct', fill: { newest: true }, price: '89' });
        twin.disturb({ kind: 'trade_bust', fill: { newest: true } });
      },
      ['partial_fill', 'trade_correct', 'trade_bust'],
    ],
  ])('tells of %s', async (_title, act, expected) => {
    const world = await start();
    const { listen, updates } = await connect(world.twin);
    await listen();
    const placed = await world.place();
    await world.order(placed);
    await act(world, placed);
    await world.read('/v2/clock');
    await expect.poll(() => events(updates())).toEqual(['pending_new', 'new', ...expected]);
  });

  it('tells that a replacement came too late', async () => {
    const world = await start({ latencies: { replaceMs: 5_000 } });
    const { listen, updates } = await connect(world.twin);
    await listen();
    const placed = await world.place();
    await world.order(placed);
    await world.replace(placed, { limit_price: '91' });
    world.twin.disturb({ kind: 'fill', order: 'order-1' });
    await expect
      .poll(() => events(updates()).slice(2))
      .toEqual(['pending_replace', 'accepted', 'fill', 'order_replace_rejected', 'rejected']);
    expect(updates().at(-2)).toMatchObject({ reason: 'TOO_LATE_TO_CANCEL', order: { status: 'filled' } });
  });

  it('names the reason of a corporate action', async () => {
    const world = await start();
    const { listen, updates } = await connect(world.twin);
    await listen();
    await world.market();
    await world.place();
    world.twin.disturb({ kind: 'split', symbol: 'AAPL', from: 1, to: 2 });
    await expect.poll(() => updates().at(-1)).toMatchObject({ event: 'canceled', reason: 'CORPORATE_ACTION' });
  });
});

describe('what only a probe can tell of the stream', () => {
  const twoFills = async (facts: object) => {
    const world = await start({ facts });
    const { listen, updates } = await connect(world.twin);
    await listen();
    await world.place();
    world.twin.disturb({ kind: 'fill', order: 'order-1', qty: '1', price: '90' });
    world.twin.disturb({ kind: 'fill', order: 'order-1', qty: '1', price: '80' });
    world.twin.disturb({ kind: 'trade_bust', fill: { newest: true } });
    await world.place({ client_order_id: 'last', limit_price: '70' });
    await expect.poll(() => updates().some(({ order }) => order?.['client_order_id'] === 'last')).toBe(true);
    return updates();
  };

  it.each([
    ['execution', ['90', '80']],
    ['average', ['90', '85']],
  ])('the price of a fill is of the %s', async (streamFillPrice, prices) => {
    const fills = (await twoFills({ streamFillPrice })).filter(({ event }) => String(event).endsWith('fill'));
    expect(fills.map(({ price }) => price)).toEqual(prices);
  });

  it.each([
    [true, 1],
    [false, 0],
  ])('busts are told: %s', async (bustsOnStream, count) => {
    const busts = (await twoFills({ bustsOnStream })).filter(({ event }) => event === 'trade_bust');
    expect(busts).toHaveLength(count);
  });
});

describe('a stream that misbehaves', () => {
  const partials = quotedMarket({
    AAPL: Array.from({ length: 30 }, (_, index) => quote(midSession + index * 1_000, '99.98', '100.02')),
  });
  const run = async (faults: { duplicates?: number; reordered?: number; missing?: number }) => {
    const world = await start({ marketData: partials, partialFillShare: 1 });
    const { listen, updates } = await connect(world.twin);
    await listen();
    world.twin.disturb({ kind: 'stream', ...faults });
    for (let index = 0; index < 5; index += 1) await world.place({ limit_price: '101', qty: '20' });
    world.clock.advance(30_000);
    await world.read('/v2/clock');
    world.twin.disturb({ kind: 'stream', duplicates: 0, reordered: 0, missing: 0 });
    await world.place({ client_order_id: 'last', limit_price: '80' });
    await expect.poll(() => updates().some(({ order }) => (order as Body)['client_order_id'] === 'last')).toBe(true);
    const fills = updates().filter(({ event }) => ['fill', 'partial_fill'].includes(String(event)));
    return { ids: fills.map(({ execution_id: id }) => id), truth: world.twin.fills().map(({ id }) => id) };
  };

  it('says the same execution twice under the same id', async () => {
    const { ids, truth } = await run({ duplicates: 1 });
    expect(ids).toEqual(truth.flatMap((id) => [id, id]));
  });

  it('says executions in another order', async () => {
    const { ids, truth } = await run({ reordered: 0.5 });
    expect(ids).not.toEqual(truth);
    expect(ids.toSorted()).toEqual(truth.toSorted());
  });

  it('leaves executions out', async () => {
    const { ids, truth } = await run({ missing: 0.5 });
    expect(ids.length).toBeLessThan(truth.length);
    expect(ids.every((id) => truth.includes(String(id)))).toBe(true);
  });

  it('breaks every connection', async () => {
    const { twin } = await start();
    const { socket } = await connect(twin);
    const closed = once(socket, 'close');
    twin.disturb({ kind: 'stream_drop' });
    await closed;
    expect(socket.readyState).toBe(WebSocket.CLOSED);
  });

  it('refuses a second connection with 406', async () => {
    const { twin } = await start();
    await connect(twin);
    await expect(connect(twin)).rejects.toThrow('406');
  });

  it.each([
    ['drops_first', WebSocket.CLOSED],
    ['allowed', WebSocket.OPEN],
  ] as const)('or %s when the probe says so', async (secondStream, state) => {
    const { twin } = await start({ facts: { secondStream } });
    const first = await connect(twin);
    const second = await connect(twin);
    await expect.poll(() => first.socket.readyState).toBe(state);
    expect(second.socket.readyState).toBe(WebSocket.OPEN);
  });

  it('has no other path', async () => {
    const { twin } = await start();
    const socket = new WebSocket(twin.streamUrl.replace('/stream', '/other'));
    sockets.push(socket);
    await expect(once(socket, 'open')).rejects.toThrow('404');
  });
});
