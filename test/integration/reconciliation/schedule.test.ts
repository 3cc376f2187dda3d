import { newYorkInstant, type Instant } from '@torghut/domain';
import { sessionFills } from '@torghut/platform';
import { afterEach, expect, it } from 'vitest';
import { runScheduled, type NightlyPorts } from '../../../functions/nightly-reconciliation/run.ts';
import { account, startExecution, type ExecutionWorld } from '../../support/execution.ts';
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
    sessionFills: (session) => sessionFills(world.database.app, account, session),
    evidence: null,
    replay: null,
  };
  const tick = async (at: Instant) => {
    world.clock.advanceTo(at);
    return runScheduled(at, ports);
  };
  expect(await tick(newYorkInstant('2026-02-13', '10:15'))).toMatchObject({ scope: 'positions', completed: false });
  expect(await tick(newYorkInstant('2026-02-13', '16:45'))).toBeNull();
  expect(await tick(newYorkInstant('2026-02-14', '05:00'))).toMatchObject({ scope: 'nightly', completed: false });
  expect([compared, world.telemetry.value('realized_net_usd_day')]).toEqual([[], undefined]);
  silent = false;
  expect(await tick(newYorkInstant('2026-02-14', '05:15'))).toMatchObject({ scope: 'nightly', completed: true });
  expect([compared, world.telemetry.value('realized_net_usd_day')]).toEqual([['2026-02-13'], 0]);
  expect(await tick(newYorkInstant('2026-02-14', '05:30'))).toMatchObject({ scope: 'nightly', runId: null });
  const runs = await world.rows(
    `SELECT status, to_char(scheduled_for AT TIME ZONE 'America/New_York', 'HH24:MI') AS at FROM reconciliation_runs WHERE scope = 'nightly'`,
  );
  expect(runs).toEqual([{ status: 'completed', at: '05:00' }]);
});

it('completes a night whose profit cannot be computed, and tells so', async () => {
  world = await startExecution();
  const tools = reconciliationOf(world);
  const at = newYorkInstant('2026-02-14', '05:00');
  world.clock.advanceTo(at);
  const night = await runScheduled(at, {
    ...tools.ports,
    parity: () => Promise.resolve([]),
    sessionFills: () => Promise.reject(new Error('statement timeout')),
    evidence: null,
    replay: null,
  });
  expect(night).toMatchObject({ scope: 'nightly', completed: true });
  expect(world.telemetry.value('realized_net_usd_day')).toBeUndefined();
  expect(world.telemetry.logs().map(({ message }) => message)).toContain(
    'the profit of the session cannot be computed',
  );
});
