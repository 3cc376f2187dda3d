import { inject } from 'vitest';
import type { Servers } from './laboratory.ts';
import { ingestStreams } from './streams.ts';

/** The servers of the test run, with the streams of the simulation. */
export const testServers = async (): Promise<Servers> => ({
  postgres: inject('postgres'),
  clickhouse: await ingestStreams(inject('clickhouseUrl')),
});
