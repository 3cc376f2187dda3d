import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { startClickHouse } from '../../infra/local/engines/clickhouse.ts';
import { temporaryDirectory } from './temporary-directory.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    clickhouseUrl: string;
  }
}

/** Starts one ClickHouse engine for the run. Returns how to end it. */
const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const dataDir = await temporaryDirectory('clickhouse');
  const clickhouse = await startClickHouse({ dataDir });
  project.provide('clickhouseUrl', clickhouse.url);
  return async () => {
    await clickhouse.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
};

export default setup;
