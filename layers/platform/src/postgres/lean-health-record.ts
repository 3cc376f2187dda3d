import type { AccountLabel, LeanHealthPorts, LimitValues } from '@torghut/domain';
import { recordHealth } from './breaker-store.ts';
import { lockAccount } from './execution-ledger.ts';
import { inTransaction, type Pool } from './pool.ts';

/** Counts health checks of LEAN in Postgres, under the account's lock: a claim sees the state before or after one. */
export const leanHealthRecord =
  (
    pool: Pool,
    account: AccountLabel,
    limits: Pick<LimitValues, 'leanHealthFailures' | 'leanHealthSuccesses'>,
  ): LeanHealthPorts['record'] =>
  (reason, at, now) =>
    inTransaction(pool, async (client) => {
      await lockAccount(client, account);
      return recordHealth(client, account, reason, { at, now }, limits);
    });
