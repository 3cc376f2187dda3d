import { beforeAll, describe, expect, it } from 'vitest';
import { openLaboratory, type Servers } from './laboratory.ts';
import { testServers } from './servers.ts';

const seeds = [3, 5, 13, 36];

describe('a simulated run', () => {
  let servers: Servers;
  beforeAll(async () => {
    servers = await testServers();
  }, 60_000);

  /** Traces of the seeds in a database of their own, in this order. */
  const tracesOf = async (order: readonly number[]): Promise<ReadonlyMap<number, string>> => {
    const laboratory = await openLaboratory(servers);
    try {
      const traces = new Map<number, string>();
      for (const seed of order) traces.set(seed, (await laboratory.run({ seed })).traceHash);
      return traces;
    } finally {
      await laboratory.close();
    }
  };

  it('[A1] is a function of its seed, whatever ran before it', async () => {
    const first = await tracesOf(seeds);
    const again = await tracesOf(seeds.toReversed());
    for (const seed of seeds) expect([seed, again.get(seed)]).toEqual([seed, first.get(seed)]);
    expect(new Set(first.values()).size).toBe(seeds.length);
  }, 300_000);

  it('takes the same course whether venues are reached over connections or not', async () => {
    const laboratory = await openLaboratory(servers);
    try {
      for (const seed of seeds) {
        const { traceHash } = await laboratory.run({ seed, connects: true });
        expect((await laboratory.run({ seed, connects: false })).traceHash).toBe(traceHash);
      }
    } finally {
      await laboratory.close();
    }
  }, 300_000);

  it('takes the same course when it is run again with everything named that was in it', async () => {
    const laboratory = await openLaboratory(servers);
    try {
      for (const seed of seeds.slice(0, 2)) {
        const run = await laboratory.run({ seed });
        const parts = [...run.faults, ...run.scenario.orders, ...run.scenario.acts].map(({ key }) => key);
        const again = await laboratory.run({ seed, only: new Set([...parts, ...run.ticks, ...run.withdrawn]) });
        expect(again.traceHash).toBe(run.traceHash);
      }
    } finally {
      await laboratory.close();
    }
  }, 300_000);
});
