import { minute, second } from '@torghut/domain';
import { BootRefused } from '@torghut/platform';
import { afterEach, describe, expect, it } from 'vitest';
import { startExecution } from '../../support/execution.ts';
import { midSession, testLoop } from '../../support/loop.ts';
import { tapPostgres, type PostgresTap } from '../../support/postgres-tap.ts';

const revoke = 'REVOKE INSERT ON dead_letters FROM torghut_app';
const grant = 'GRANT INSERT ON dead_letters TO torghut_app';

let tap: PostgresTap | null = null;
afterEach(async () => {
  await tap?.close();
  tap = null;
});
const checks = (): number => tap?.statements.filter((text) => text.includes('has_table_privilege')).length ?? 0;

describe('a container that stays warm', () => {
  it('looks at most every 60 s whether the database is still the one it works with, in one statement', async () => {
    const loop = await testLoop({ databaseVia: async (place) => (tap = await tapPostgres(place)) });
    // When it was wired.
    expect(checks()).toBe(1);
    await loop.tick(midSession + minute - 1);
    expect(checks()).toBe(1);
    await loop.tick(midSession + minute);
    await loop.tick(midSession + 2 * minute - 1);
    expect(checks()).toBe(2);
  });

  it('does nothing once the database is not, and works on when it is again', async () => {
    const loop = await testLoop();
    await loop.tick(midSession);
    const windows = await loop.windows();
    await loop.database.owner.query(revoke);
    const refused = loop.tick(midSession + minute);
    await expect(refused).rejects.toThrow(BootRefused);
    await expect(refused).rejects.toThrow('privilege missing: INSERT on dead_letters');
    expect(await loop.windows()).toEqual(windows);
    expect(loop.telemetry.value('boot_check_ok')).toBe(0);

    // A refusal is not remembered.
    await loop.database.owner.query(grant);
    await loop.tick(midSession + minute + second);
    expect((await loop.windows()).length).toBeGreaterThan(windows.length);
    expect(loop.telemetry.value('boot_check_ok')).toBe(1);
  });

  it('gives orders back to their queue instead of routing them', async () => {
    const world = await startExecution();
    try {
      await world.order();
      await world.database.owner.query(revoke);
      world.clock.advanceTo(world.clock.now() + minute);
      const order = await world.decide({ symbol: 'NVDA' });
      await world.drain();
      expect(await world.receipts(order)).toEqual([]);
      expect(world.statistics(world.queueNames.lean)).toMatchObject({ inFlight: 1 });
      await expect(world.sync()).rejects.toThrow(BootRefused);
      expect(world.telemetry.logs().some(({ fields }) => JSON.stringify(fields).includes('refused to start'))).toBe(
        true,
      );
    } finally {
      await world.close();
    }
  });
});
