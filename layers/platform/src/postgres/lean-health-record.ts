import type { AccountLabel, FreshnessLimits, LeanHealthPorts } from '@torghut/domain';
import { recordHealth, type HealthLimits } from './breaker-store.ts';
import { lockAccount } from './account-lock.ts';
import { inTransaction, type Pool } from './pool.ts';
import { readContinuity } from './signal-continuity.ts';

/** Counts health checks of LEAN in Postgres, under the account's lock: a claim sees the state before or after one. */
export const leanHealthRecord =
  (pool: Pool, account: AccountLabel, limits: HealthLimits & FreshnessLimits): LeanHealthPorts['record'] =>
  (reason, at, now) =>
    inTransaction(pool, async (client) => {
      await lockAccount(client, account);
      return recordHealth(client, account, reason, { at, now }, limits, () =>
        readContinuity(client, account, limits, now),
      );
    });
