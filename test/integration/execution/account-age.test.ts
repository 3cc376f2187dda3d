import { floorTo, minute, parseInstant, second } from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import { draw } from '../../../infra/local/twins/random.ts';
import { startExecution, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
afterEach(() => world.close());

const limit = 60 * second;
const lastEntry = parseInstant('2026-02-13T20:25:00.000Z');
const newestSnapshot = async (): Promise<number> =>
  (await world.rows<{ at: number }>(`SELECT max(as_of) AS at FROM position_snapshots WHERE complete`))[0]!.at;
const synced = async (at: number): Promise<void> => {
  world.clock.advanceTo(at);
  await world.sync();
};

/**
 * The scheduler fires at any moment of its minute, and a cold start adds seconds: two readings of the account are up to two
 * minutes apart, although the schedule says one.
 */
it('[E11] no entry of a session is refused for the age of the account while the broker answers, however late the schedule fires', async () => {
  world = await startExecution();
  const lateness = (name: string): number => Math.floor(draw(20_260_213, name) * 57 * second);
  const reasons: (readonly string[])[] = [];
  let older = 0;
  for (let at = floorTo(world.clock.now(), minute) + 2 * minute; at < lastEntry; at += 13 * minute) {
    await synced(at - minute + lateness(`sync ${at - minute}`));
    const claimAt = at + second + lateness(`claim ${at}`);
    const next = at + lateness(`sync ${at}`);
    if (next < claimAt) await synced(next);
    world.clock.advanceTo(claimAt);
    if (claimAt - (await newestSnapshot()) > limit) older += 1;
    // Spread, so that no cap on a single position speaks first.
    const entry = await world.order({ symbol: (['AAPL', 'NVDA', 'MSFT'] as const)[reasons.length % 3]! });
    expect(world.clock.now() - (await newestSnapshot())).toBeLessThanOrEqual(limit);
    reasons.push((await world.decision(entry.id)).reasons);
  }
  expect(reasons.length).toBeGreaterThan(20);
  expect(reasons.flat()).toEqual([]);
  // What the limit alone would have refused.
  expect(older).toBeGreaterThan(2);
  const reads = await world.rows<{ n: number }>(`SELECT count(*) AS n FROM position_snapshots WHERE kind = 'cycle'`);
  const syncs = await world.rows<{ n: number }>(`SELECT count(*) AS n FROM reconciliation_runs WHERE scope = 'orders'`);
  // A claim reads the account only when it must; a run of the sync reads it once, or twice after a change.
  expect(reads[0]!.n).toBeLessThanOrEqual(2 * syncs[0]!.n + older);
}, 120_000);

it('[E11] an entry is refused for the age of the account when the broker does not answer, and an exit is not', async () => {
  world = await startExecution();
  await world.order({ qty: '2' });
  await world.minutes(1);
  await world.twins.alpaca.setFault({ kind: 'answer', answer: { status: 500, body: {} } }, ['account', 'positions']);
  world.clock.advanceTo(world.clock.now() + limit + 3 * second);
  const [entry, another] = [await world.order(), await world.order({ symbol: 'NVDA' })];
  for (const { id } of [entry, another])
    expect(await world.decision(id)).toMatchObject({ status: 'denied', reasons: ['account_snapshot_stale'] });
  const exit = await world.order({ side: 'sell', intent: 'exit', qty: '1' });
  expect(await world.execution(exit)).toMatchObject({ actual: 'lean' });
  await world.twins.alpaca.setFault(null);
  // A venue that failed is not asked for every order.
  const soon = await world.order({ symbol: 'MSFT' });
  expect(await world.decision(soon.id)).toMatchObject({ status: 'denied', reasons: ['account_snapshot_stale'] });
  world.clock.advanceTo(world.clock.now() + 10 * second);
  const later = await world.order({ symbol: 'MSFT' });
  expect(await world.execution(later)).toMatchObject({ actual: 'lean' });
});
