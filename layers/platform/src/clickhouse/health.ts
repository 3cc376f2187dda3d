import type { SignalStoreHealth, Telemetry } from '@torghut/domain';
import type { ClickHouse } from './client.ts';
import type { SignalTables } from './signal-columns.ts';

/** Code of ACCESS_DENIED, as the client words it. */
const accessDenied = ' 497:';

/**
 * Condition of the server that answers, and of no other: from the tables it keeps about itself, bounded by what it has and
 * not by what it holds. Where none of our tables is replicated there is no replica to speak of. A share of a disk without a
 * size, such as a bucket, is no figure.
 */
const statement = `
SELECT maxOrNull(is_readonly), minOrNull(free_ratio)
FROM (
  SELECT is_readonly, NULL AS free_ratio FROM system.replicas WHERE concat(database, '.', table) IN ({tables: Array(String)})
  UNION ALL
  SELECT NULL, free_space / total_space FROM system.disks WHERE total_space > 0 AND total_space < toUInt64(-1)
)`;

/**
 * Reads the health of the signal store; null when it is not known, which is logged: every time when the store does not answer,
 * once per execution environment when our account may not read those tables.
 */
export const clickHouseHealth = (
  clickhouse: ClickHouse,
  tables: SignalTables,
  telemetry: Pick<Telemetry, 'warn' | 'error'>,
): (() => Promise<SignalStoreHealth | null>) => {
  let denialLogged = false;
  return async () => {
    const answer = await clickhouse.query<SignalStoreHealth>({
      sql: statement,
      parameters: { tables: Object.values(tables) as string[] },
      row: ([readonly, diskFreeRatio]) => ({
        readonly: readonly === null ? null : Number(readonly) > 0,
        diskFreeRatio: diskFreeRatio === null ? null : Number(diskFreeRatio),
      }),
    });
    if (answer.ok) return answer.rows[0] ?? null;
    const { failure, detail } = answer;
    if (!detail.includes(accessDenied)) {
      telemetry.error('health of the signal store cannot be read', { failure, detail });
    } else if (!denialLogged) {
      denialLogged = true;
      telemetry.warn('health of the signal store is not measured: grant SELECT on system.replicas and system.disks', {
        detail,
      });
    }
    return null;
  };
};
