import { beforeAll, describe, expect, it } from 'vitest';
import type { Servers } from './laboratory.ts';
import { mutations, type MutationName } from './mutations.ts';
import { testServers } from './servers.ts';
import { simulate } from './simulate.ts';

const most = 200;
/** All seeds, each once, from one of them on. */
const seedsFrom = (first: number): readonly number[] =>
  Array.from({ length: most }, (_, index) => ((first - 1 + index) % most) + 1);

const cases = (Object.keys(mutations) as MutationName[]).map((name) => ({ name, ...mutations[name] }));

describe('a simulation of a broken control plane', () => {
  let servers: Servers;
  beforeAll(async () => {
    servers = await testServers();
  }, 60_000);

  it.each(cases)(
    'notices within 200 seeds when $claim',
    async ({ name, breaks, noticedBy }) => {
      const { violations } = await simulate({
        servers,
        seeds: seedsFrom(noticedBy),
        workers: 2,
        mutation: name,
        enough: (report) => report.violations.some(({ invariant }) => invariant === breaks),
      });
      expect(violations.map(({ invariant }) => invariant)).toContain(breaks);
    },
    600_000,
  );
});
