import {
  checkBoot,
  clickHouseHealth,
  clickHouseSignalStore,
  connect,
  postgresOutbox,
  readFreshnessInput,
  readOperationalMeasures,
  type Environment,
  type InvocationTelemetry,
  type Overrides,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import type { FreshnessPorts } from './run.ts';

/**
 * The ports of the freshness check from its environment. The database is opened without the boot check, which is one of
 * the things this function measures.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when that of the database cannot be read.
 */
export const wire = async (
  environment: Environment,
  overrides: Overrides = {},
): Promise<FreshnessPorts & { readonly telemetry: InvocationTelemetry }> => {
  const connections = connect('freshness-check', environment, overrides);
  const { settings, clock, telemetry } = connections;
  const pool = await connections.database();
  const account = settings.TRADING_ACCOUNT_LABEL;
  const clickhouse = connections.clickhouse(createClickHouse);
  const tables = { signals: settings.TRADING_SIGNAL_TABLE, bars: settings.TRADING_PRICE_TABLE };
  return {
    checkBoot: (now) => checkBoot(pool, { now }),
    readInput: async (now) => (await readFreshnessInput(pool, account, now)).input,
    readMeasures: (now) => readOperationalMeasures(pool, account, now),
    signals: clickHouseSignalStore(clickhouse, tables),
    readHealth: clickHouseHealth(clickhouse, tables, telemetry),
    outbox: postgresOutbox(pool, account),
    publisher: connections.publisher(),
    events: connections.events(),
    clock,
    telemetry,
    settings,
  };
};
