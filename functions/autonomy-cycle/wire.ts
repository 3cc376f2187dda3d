import {
  clickHouseSignalStore,
  connect,
  jangarUniverse,
  postgresCycleLedger,
  postgresOutbox,
  type Environment,
  type Invocation,
  type Overrides,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import type { CyclePorts } from './run.ts';

/**
 * The ports of the trading cycle from its environment.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when a secret cannot be read.
 */
export const wire = async (environment: Environment, overrides: Overrides = {}): Promise<CyclePorts & Invocation> => {
  const connections = connect('autonomy-cycle', environment, overrides);
  const { settings, clock, telemetry, codeHash } = connections;
  const pool = await connections.ledger();
  const account = settings.TRADING_ACCOUNT_LABEL;
  return {
    ledger: postgresCycleLedger(pool, {
      account,
      limits: settings.limits,
      cursorSource: `ta:${settings.TRADING_SIGNAL_WINDOW_SIZE}`,
    }),
    signals: clickHouseSignalStore(connections.clickhouse(createClickHouse), {
      signals: settings.TRADING_SIGNAL_TABLE,
      bars: settings.TRADING_PRICE_TABLE,
    }),
    universe: jangarUniverse(connections.jangar(), clock),
    outbox: postgresOutbox(pool, account),
    publisher: connections.publisher(),
    clock,
    telemetry,
    ensureBoot: connections.ensureBoot,
    settings,
    codeHash,
  };
};
