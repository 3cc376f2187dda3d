import {
  clickHouseSignalStore,
  connect,
  postgresOutbox,
  readFreshnessInput,
  type Environment,
  type InvocationTelemetry,
  type Overrides,
} from '@torghut/platform';
import type { FreshnessPorts } from './run.ts';

/**
 * The ports of the freshness check from its environment.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when a secret cannot be read.
 */
export const wire = async (
  environment: Environment,
  overrides: Overrides = {},
): Promise<FreshnessPorts & { readonly telemetry: InvocationTelemetry }> => {
  const connections = connect('freshness-check', environment, overrides);
  const { settings, clock, telemetry } = connections;
  const pool = await connections.ledger();
  const account = settings.TRADING_ACCOUNT_LABEL;
  return {
    readInput: async (now) => (await readFreshnessInput(pool, account, now)).input,
    signals: clickHouseSignalStore(await connections.clickhouse(), {
      signals: settings.TRADING_SIGNAL_TABLE,
      bars: settings.TRADING_PRICE_TABLE,
    }),
    outbox: postgresOutbox(pool, account),
    publisher: connections.publisher(),
    events: connections.events(),
    clock,
    telemetry,
    settings,
  };
};
