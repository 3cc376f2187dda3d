import { second } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import type { Fault, TwinAnswer } from '../../../infra/local/twins/index.ts';
import { startExecution, type ExecutionOptions, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
const start = async (options: ExecutionOptions = {}): Promise<void> => {
  world = await startExecution(options);
};
afterEach(() => world.close());

const refused = (status: number, code: number, message: string): Fault => ({
  kind: 'answer',
  answer: { status, body: { code, message } },
});

interface Case {
  readonly code: string;
  readonly fault: Fault;
}

/** The broker's words: what its rules are known to refuse, our checks deny before. */
const cases: Readonly<Record<string, Case>> = {
  'insufficient buying power': {
    code: 'broker_rejected_insufficient_funds',
    fault: refused(403, 40310000, 'insufficient buying power'),
  },
  'insufficient quantity': {
    code: 'broker_rejected_insufficient_qty',
    fault: refused(403, 40310000, 'insufficient qty available for order (requested: 2, available: 1)'),
  },
  'a potential wash trade': {
    code: 'broker_rejected_wash_trade',
    fault: refused(403, 40310000, 'potential wash trade detected. use complex orders'),
  },
  'a sub-penny price': {
    code: 'broker_rejected_invalid_price',
    fault: refused(
      422,
      42210000,
      'invalid limit_price 100.02: sub-penny increment does not fulfill minimum pricing criteria',
    ),
  },
  'a suspended account': {
    code: 'broker_rejected_suspended',
    fault: refused(403, 40310000, 'new orders are rejected by user request'),
  },
  'a share that may not be sold short': {
    code: 'broker_rejected_not_shortable',
    fault: refused(403, 40310000, 'asset "AAPL" cannot be sold short'),
  },
  'an unknown asset': {
    code: 'broker_rejected_not_tradable',
    fault: refused(422, 42210000, 'asset "AAPL" not found'),
  },
  'another validation error under the code of duplicates': {
    code: 'broker_rejected_invalid_order',
    fault: refused(422, 40010001, 'client_order_id must be no more than 128 characters'),
  },
  'missing authority': { code: 'broker_rejected_other', fault: refused(401, 40110000, 'request is not authorized') },
};

describe('refusals by the broker end the order', () => {
  for (const adapter of ['lean', 'alpaca'] as const) {
    it.each(Object.entries(cases))(
      `[E10] %s, through ${adapter}: rejected, no fallback`,
      async (_, { code, fault }) => {
        await start();
        await world.faults({ alpaca: fault });
        const decision = await world.order({ expected: adapter });
        expect(await world.decision(decision.id)).toMatchObject({ status: 'rejected', reasons: [code] });
        expect(await world.receipts(decision)).toMatchObject([{ adapter, outcome: 'rejected', outcome_codes: [code] }]);
        expect(world.twins.alpaca.orders()).toEqual([]);
        await world.minutes(2);
        await world.expectConsistent();
      },
    );
  }

  it('[E6] denies a price that is not on the increment before any venue hears of it', async () => {
    await start();
    const decision = await world.order({ limitPrice: '100.025' });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons: ['price_increment_invalid'] });
    expect(world.twins.lean.log()).toEqual([]);
    expect(world.twins.alpaca.log()).toEqual([]);
  });

  it('[E10] does not cancel the resting order that a wash-trade refusal names', async () => {
    await start();
    await world.order();
    await world.minutes(1);
    const resting = await world.order({ side: 'sell', limitPrice: '100.50' });
    await world.faults({
      alpaca: {
        kind: 'answer',
        answer: {
          status: 403,
          body: {
            code: 40310000,
            message: 'potential wash trade detected',
            existing_order_id: world.twins.alpaca.orders()[1]!.id,
          },
        },
      },
    });
    await world.order({ symbol: 'NVDA' });
    expect(world.twins.alpaca.log().filter(({ effect }) => effect === 'cancel_requested')).toEqual([]);
    expect(await world.execution(resting)).toMatchObject({ actual: 'lean' });
  });

  it('counts no refusal as a failure of its venue', async () => {
    await start();
    await world.faults({ alpaca: refused(403, 40310000, 'insufficient buying power') });
    for (let orders = 0; orders < 4; orders += 1) await world.order();
    await world.faults({ alpaca: null });
    const next = await world.order();
    expect(await world.execution(next)).toMatchObject({ actual: 'lean', count: 0 });
  });
});

describe('too many requests', () => {
  const limited = (resetAt: number): TwinAnswer => ({
    status: 429,
    body: { code: 42910000, message: 'rate limit exceeded' },
    headers: { 'x-ratelimit-reset': String(resetAt / second) },
  });

  it.each(['lean', 'alpaca'] as const)(
    '[E10] waits for the reset and sends once, through %s, without a fallback',
    async (adapter) => {
      await start();
      await world.faults({ alpaca: { kind: 'answer', answer: limited(world.clock.now() + 5 * second) } });
      const decision = await world.decide({ expected: adapter });
      const { clock } = world;
      const sleep = (ms: number): Promise<void> => {
        clock.advanceTo(clock.now() + ms);
        return Promise.resolve();
      };
      clock.sleep = async (ms) => {
        // The window turns while the router waits.
        await world.faults({ alpaca: null });
        return sleep(ms);
      };
      await world.drain();
      expect(world.clock.now()).toBe(decision.request.decidedAt + 5 * second);
      expect(await world.execution(decision)).toMatchObject({ actual: adapter, count: 0 });
      expect(await world.receipts(decision)).toMatchObject([
        { adapter, outcome: 'acknowledged', outcome_codes: ['broker_rejected_rate_limited'] },
      ]);
      await world.minutes(1);
      await world.expectConsistent();
    },
  );

  it('[E10] rejects an order whose time is over before the reset', async () => {
    await start();
    await world.faults({ alpaca: { kind: 'answer', answer: limited(world.clock.now() + 61 * second) } });
    const decision = await world.order({ expected: 'alpaca' });
    expect(await world.decision(decision.id)).toMatchObject({
      status: 'rejected',
      reasons: ['broker_rejected_rate_limited'],
    });
    await world.expectConsistent();
  });
});
