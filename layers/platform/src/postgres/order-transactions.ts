import {
  floorTo,
  minute,
  type AccountLabel,
  type BreakType,
  type FoundBreak,
  type Instant,
  type Telemetry,
} from '@torghut/domain';
import { recordBreak } from './break-store.ts';
import { lockAccount } from './account-lock.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';

/** A transaction under the lock of the account, and where it puts what it finds wrong. */
export interface OrderTransaction {
  readonly client: Queryable;
  readonly account: AccountLabel;
  readonly now: Instant;
  /** Writes a break unless the same finding stands already. */
  readonly record: (found: FoundBreak) => Promise<void>;
}

export interface OrderTransactions {
  /** @param runId the run that breaks belong to; null for the newest, because a look of its own has none. */
  <T>(runId: string | null, now: Instant, work: (transaction: OrderTransaction) => Promise<T>): Promise<T>;
}

/**
 * The newest run of the order sync. Before the first there is none: the run of this minute is opened, which the schedule
 * then goes on with.
 */
const newestRun = async (client: Queryable, account: AccountLabel, now: Instant): Promise<string> => {
  const newest = await client.query<{ id: string }>(
    `SELECT id FROM reconciliation_runs WHERE account_label = $1 AND scope = 'orders' ORDER BY scheduled_for DESC LIMIT 1`,
    [account],
  );
  const [run] = newest.rows;
  if (run !== undefined) return run.id;
  const opened = await client.query<{ id: string }>(
    `INSERT INTO reconciliation_runs (account_label, scope, scheduled_for, status, sources, checked, breaks, healed, started_at)
     VALUES ($1, 'orders', $2, 'running', '{}', 0, 0, 0, $3)
     ON CONFLICT (account_label, scope, scheduled_for) DO UPDATE SET started_at = reconciliation_runs.started_at RETURNING id`,
    [account, new Date(floorTo(now, minute)), new Date(now)],
  );
  const [first] = opened.rows;
  if (first === undefined) throw new Error('expected the run that was opened, found none');
  return first.id;
};

export const orderTransactions =
  (pool: Pool, account: AccountLabel, telemetry: Pick<Telemetry, 'count'>): OrderTransactions =>
  async (runId, now, work) => {
    let written: BreakType[] = [];
    const result = await inTransaction(pool, async (client) => {
      written = [];
      await lockAccount(client, account);
      return work({
        client,
        account,
        now,
        record: async (found) => {
          const run = runId ?? (await newestRun(client, account, now));
          if (!(await recordBreak(client, { account, runId: run, now }, found))) return;
          written.push(found.type);
          // A run that has ended counted its breaks without this one.
          await client.query(
            `UPDATE reconciliation_runs SET breaks = breaks + 1, healed = healed + $2::int WHERE id = $1 AND finished_at IS NOT NULL`,
            [run, found.healed ? 1 : 0],
          );
        },
      });
    });
    // Counted once they are committed, and not when the work is rolled back or repeated.
    for (const type of written) telemetry.count('reconciliation_breaks_total', 1, { type });
    return result;
  };
