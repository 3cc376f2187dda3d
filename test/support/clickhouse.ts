import { randomUUID } from 'node:crypto';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { inject } from 'vitest';

/** A ClickHouse database of the test file's own. */
export interface TestClickHouse {
  readonly url: string;
  readonly database: string;
  /** The official client on that database, for tables and rows. */
  readonly client: ClickHouseClient;
  /** Drops the database and closes the client. */
  close(): Promise<void>;
}

/** Makes an empty database for the calling test file. */
export const testClickHouse = async (): Promise<TestClickHouse> => {
  const url = inject('clickhouseUrl');
  const database = `test_${randomUUID().replaceAll('-', '')}`;
  // Tests look at errors themselves.
  const log = { level: ClickHouseLogLevel.OFF };
  const root = createClient({ url, log });
  await root.command({ query: `CREATE DATABASE ${database}` });
  const client = createClient({ url, database, log });
  return {
    url,
    database,
    client,
    close: async () => {
      await client.close();
      await root.command({ query: `DROP DATABASE ${database}` });
      await root.close();
    },
  };
};
