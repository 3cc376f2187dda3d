import {
  alpacaReads,
  alpacaVenue,
  connect,
  leanVenue,
  postgresExecutionLedger,
  postgresOrderLedger,
  postgresOutbox,
  type Environment,
  type InvocationTelemetry,
  type Overrides,
} from '@torghut/platform';
import type { OrderSyncPorts } from './run.ts';

/**
 * The ports of the order sync from its environment.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when a secret cannot be read.
 */
export const wire = async (
  environment: Environment,
  overrides: Overrides = {},
): Promise<OrderSyncPorts & { readonly telemetry: InvocationTelemetry }> => {
  const connections = connect('order-sync', environment, overrides);
  const { settings, clock, telemetry } = connections;
  const pool = await connections.ledger();
  const account = settings.TRADING_ACCOUNT_LABEL;
  const { limits } = settings;
  const alpaca = alpacaVenue(connections.alpaca(), clock);
  return {
    orders: postgresOrderLedger(pool, { account, limits }),
    executions: postgresExecutionLedger(pool, {
      account,
      limits,
      tradingEnabled: settings.TRADING_ENABLED,
      liveEnabled: settings.TRADING_LIVE_ENABLED,
      fallback: settings.TRADING_EXECUTION_FALLBACK_ADAPTER,
      universeMaxStaleSeconds: settings.TRADING_UNIVERSE_MAX_STALE_SECONDS,
    }),
    broker: { ...alpacaReads(connections.alpaca(), clock), ...alpaca },
    venues: { alpaca, lean: leanVenue(connections.lean(), clock) },
    outbox: postgresOutbox(pool, account),
    publisher: connections.publisher(),
    clock,
    telemetry,
    limits,
  };
};
