import { minute, second, toText, type CycleLedger } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { midSession, testLoop, type Loop } from '../../support/loop.ts';
import { buyRow } from '../../support/stream.ts';

const next = midSession + minute;

/** A ledger on which `meanwhile` happens, once, after the state was read and before anything is written. */
const overtakenBy = ({ ports }: Loop, meanwhile: () => Promise<unknown>): { readonly ledger: CycleLedger } => {
  let pending = true;
  return {
    ledger: {
      load: (...input) => ports.ledger.load(...input),
      commit: async (commit) => {
        if (pending) {
          pending = false;
          await meanwhile();
        }
        return ports.ledger.commit(commit);
      },
    },
  };
};

const windowStarts = async (loop: Loop): Promise<string[]> =>
  (await loop.windows()).map(({ window_start: start }) => toText(start));

describe('ticks that repeat or race', () => {
  it('[S4] finds its window finished when the same tick is delivered again', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', midSession - minute));
    await loop.tick(midSession);
    const before = [await loop.windows(), await loop.decisions(), await loop.outbox(), await loop.cursor()];
    await loop.insert(buyRow('MSFT', midSession - minute, { ingestTs: midSession - second }));
    const statements = loop.signalStore.statements();
    expect(await loop.deliver(midSession)).toMatchObject({ outcome: 'finished', decisions: 0, published: 0 });
    expect(loop.signalStore.statements()).toBe(statements);
    expect([await loop.windows(), await loop.decisions(), await loop.outbox(), await loop.cursor()]).toEqual(before);
  });

  it('[S4] writes one window and each decision once when two deliveries of a tick overlap', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', midSession - minute), buyRow('MSFT', midSession - minute));
    await loop.syncAccount(midSession);
    const results = await Promise.all([loop.deliver(midSession), loop.deliver(midSession)]);
    expect(results.map(({ outcome }) => outcome).sort()).toEqual(['committed', 'finished']);
    expect(await windowStarts(loop)).toEqual(['2026-02-13T14:59:00.000Z']);
    expect(await loop.decisions()).toHaveLength(2);
    expect(await loop.cursor()).toMatchObject({ lock_version: 1 });
    expect(loop.receive('lean.fifo')).toHaveLength(2);
  });

  it('[S4] writes nothing of a cycle that another delivery of its tick overtook', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', midSession - minute));
    const overtaken = overtakenBy(loop, () => loop.deliver(midSession));
    expect(await loop.tick(midSession, overtaken)).toMatchObject({ outcome: 'finished' });
    expect(await windowStarts(loop)).toEqual(['2026-02-13T14:59:00.000Z']);
    expect(await loop.decisions()).toHaveLength(1);
    expect(loop.receive('lean.fifo')).toHaveLength(1);
  });

  it('[S4] decides once and records both windows when a slow cycle is overtaken by the next one', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', midSession - 20 * second), buyRow('MSFT', midSession + 20 * second));
    const overtaken = overtakenBy(loop, () => loop.tick(next));
    expect(await loop.tick(midSession, overtaken)).toMatchObject({ outcome: 'committed', decisions: 0 });
    expect(await windowStarts(loop)).toEqual(['2026-02-13T14:59:00.000Z', '2026-02-13T15:00:00.000Z']);
    expect((await loop.decisions()).map(({ symbol }) => symbol)).toEqual(['AAPL', 'MSFT']);
    expect(await loop.cursor()).toMatchObject({ event_ts: midSession + 20 * second, symbol: 'MSFT' });
    expect(loop.receive('lean.fifo')).toHaveLength(2);
  });

  it('[S4] gives up clearly when it is overtaken again and again', async () => {
    const loop = await testLoop();
    const bump = () => loop.database.owner.query('UPDATE trade_cursor SET lock_version = lock_version + 1');
    await loop.tick(midSession);
    const { ledger } = loop.ports;
    const always: CycleLedger = {
      load: (...input) => ledger.load(...input),
      commit: async (commit) => {
        await bump();
        return ledger.commit(commit);
      },
    };
    await expect(loop.tick(next, { ledger: always })).rejects.toThrow(/cursor .* moved/);
    expect(await windowStarts(loop)).toEqual(['2026-02-13T14:59:00.000Z']);
  });

  it('[S4] keeps the first decision when a signal is evaluated again under another equity, and counts the difference', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', midSession - 20 * second));
    await loop.tick(midSession);
    const [first] = await loop.decisions();
    expect(first).toMatchObject({ qty: '2.00000000', status: 'queued' });

    // The cursor is put back by hand, and the account shrinks until one share is all it may buy.
    await loop.database.owner.query(
      `UPDATE trade_cursor SET cursor_event_ts = $1, cursor_symbol = '', overlap_keys = '[]'`,
      [toText(midSession - minute)],
    );
    loop.clock.advanceTo(next);
    await loop.syncAccount(next, { equity: '5000' });
    expect(await loop.deliver(next)).toMatchObject({ outcome: 'committed', signals: 1, published: 0 });
    expect(await loop.decisions()).toEqual([first]);
    expect(await loop.outbox()).toHaveLength(1);
    expect(loop.telemetry.value('decision_content_divergence_total')).toBe(1);
  });
});
