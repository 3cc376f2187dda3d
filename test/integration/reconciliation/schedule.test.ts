import { newYorkInstant, type Instant } from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import { runScheduled, type NightlyPorts } from '../../../functions/nightly-reconciliation/run.ts';
import { startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { reconciliationOf } from '../../support/reconciliation.ts';

let world: ExecutionWorld;
afterEach(() => world.close());

it('reconciles in the session and at night, takes up a night that failed, and then compares the routes', async () => {
  world = await startExecution();
  const compared: string[] = [];
  let silent = true;
  const tools = reconciliationOf(world);
  const ports: NightlyPorts = {
    ...tools.ports,
    broker: {
      ...tools.ports.broker,
      positions: () =>
        silent ? Promise.resolve({ ok: false, failure: 'timeout', detail: 'silent' }) : tools.ports.broker.positions(),
    },
    parity: (session) => {
      compared.push(session);
      return Promise.resolve([]);
    },
  };
  const tick = async (at: Instant) => {
    world.clock.advanceTo(at);
    return runScheduled(at, ports);
  };
  expect(await tick(newYorkInstant('2026-02-13', '10:15'))).toMatchObject({ scope: 'positions', completed: false });
  expect(await tick(newYorkInstant('2026-02-13', '16:45'))).toBeNull();
  expect(await tick(newYorkInstant('2026-02-14', '05:00'))).toMatchObject({ scope: 'nightly', completed: false });
  expect(compared).toEqual([]);
  silent = false;
  expect(await tick(newYorkInstant('2026-02-14', '05:15'))).toMatchObject({ scope: 'nightly', completed: true });
  expect(compared).toEqual(['2026-02-13']);
  expect(await tick(newYorkInstant('2026-02-14', '05:30'))).toMatchObject({ scope: 'nightly', runId: null });
  const runs = await world.rows(
    `SELECT status, to_char(scheduled_for AT TIME ZONE 'America/New_York', 'HH24:MI') AS at FROM reconciliation_runs WHERE scope = 'nightly'`,
  );
  expect(runs).toEqual([{ status: 'completed', at: '05:00' }]);
});
