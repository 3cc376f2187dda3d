import { describe, expect, it } from 'vitest';
import { faultKinds } from './faults.ts';
import { testServers } from './servers.ts';
import { simulate } from './simulate.ts';

const seeds = Array.from({ length: 300 }, (_, index) => index + 1);

describe('the whole control plane under faults', () => {
  it('[A1] violates nothing in 300 seeds, in which nearly every kind of fault happens', async () => {
    const simulation = await simulate({ servers: await testServers(), seeds, workers: 2 });
    // A seed named here is replayed and shrunk by `npm run simulate -- --seed K --trace`.
    expect(simulation.violations).toEqual([]);
    expect(simulation.seeds).toBe(seeds.length);
    const missed = faultKinds.filter((kind) => simulation.faults[kind] === undefined);
    expect(missed.length, missed.join(', ')).toBeLessThanOrEqual(faultKinds.length / 10);
  }, 900_000);
});
