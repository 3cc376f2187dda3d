import { type OperatorControl, operatorControls, stoppingControls } from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import { startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { startOperatorApi, type OperatorApi } from '../../support/operator-api.ts';

let world: ExecutionWorld;
let api: OperatorApi;
afterEach(async () => {
  await api.stop();
  await world.close();
});

/** Sent to the broker, or refused before anything was sent. */
const outcome = async (order: { readonly id: string }): Promise<'continue' | 'stop'> =>
  (await world.decision(order.id)).status === 'denied' ? 'stop' : 'continue';

// A global lock that said "stops trading" stopped entries; exits went on, and nobody had been told.
it.each(operatorControls)(
  'freqtrade_4837 %s stops exactly what its message says it stops',
  async (control: OperatorControl) => {
    world = await startExecution();
    api = await startOperatorApi(world.database.app, world.clock);
    const held = await world.order({ qty: '2' });
    await world.minutes(1);
    expect((await world.decision(held.id)).status).toBe('filled');
    const resting = await world.order({ symbol: 'MSFT', limitPrice: '199.50' });
    expect(await world.execution(resting)).toMatchObject({ filled_qty: '0' });

    const { body } = await api.post(`/trading/controls/${control.replaceAll('_', '-')}`, {
      engaged: stoppingControls[control].stopsWhen,
      reason: 'rehearsal',
    });
    const said = /entries (\w+), exits (\w+), cancels (\w+).*; open orders are (cancelled|followed to their end)$/.exec(
      body['effect'] as string,
    )!;
    expect(body['effect']).toContain(control);

    const entry = await world.order({ symbol: 'NVDA' });
    const exit = await world.order({ side: 'sell', qty: '1' });
    // Within its time to live an order is cancelled only by what cancels open orders.
    await world.minutes(1);
    const canceledAtOnce = (await world.execution(resting))!.state === 'canceled';
    await world.minutes(3);
    const canceled = (await world.execution(resting))!.state === 'canceled';
    const happened = [await outcome(entry), await outcome(exit), canceled ? 'continue' : 'stop'];
    // What stops decisions lets go out what was decided before, and says so.
    const atClaim = stoppingControls[control].effect.stopsAt === 'claim';
    expect((body['effect'] as string).includes('what was decided before goes out')).toBe(!atClaim);
    expect(happened).toEqual(atClaim ? said.slice(1, 4) : ['continue', 'continue', 'continue']);
    expect(canceledAtOnce ? 'cancelled' : 'followed to their end').toBe(said[4]);
  },
);
