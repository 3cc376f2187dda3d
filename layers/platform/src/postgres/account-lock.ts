import type { AccountLabel } from '@torghut/domain';
import type { Queryable } from './pool.ts';

/** One account at a time: claims and settlements of an account see each other's reservations. */
export const lockAccount = async (client: Queryable, account: AccountLabel): Promise<void> => {
  await client.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [account]);
};
