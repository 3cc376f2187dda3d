import type { AccountLabel } from '@torghut/domain';
import { postgresOutbox } from '@torghut/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

const now = Date.parse('2026-02-13T15:00:00Z');

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

describe('accounts of one database', () => {
  it("never take each other's messages, even when one label begins with the other", async () => {
    for (const key of ['paper:AAPL', 'paper_2:AAPL', 'paper:NVDA'])
      await insertRow(db.app, 'outbox', sampleRow('outbox', { group_key: key, dedup_id: key }));
    const drain = async (account: string): Promise<readonly string[]> => {
      const taken: string[] = [];
      await postgresOutbox(db.app, account as AccountLabel).drain(now, 10, (messages) => {
        taken.push(...messages.map(({ groupKey }) => groupKey));
        return Promise.resolve({ accepted: messages.map(({ id }) => id), failed: [] });
      });
      return taken;
    };
    expect(await drain('pape')).toEqual([]);
    expect(await drain('paper')).toEqual(['paper:AAPL', 'paper:NVDA']);
    expect(await drain('paper')).toEqual([]);
    expect(await drain('paper_2')).toEqual(['paper_2:AAPL']);
  });
});
