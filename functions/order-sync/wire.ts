import { reconcileAfterGap } from '@torghut/domain';
import {
  alpacaHistory,
  alpacaReads,
  alpacaVenue,
  connect,
  leanHealthRecord,
  leanVenue,
  postgresExecutionLedger,
  postgresOrderLedger,
  postgresOutbox,
  reconciliationPorts,
  timedCalls,
  type Environment,
  type Invocation,
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
): Promise<OrderSyncPorts & Invocation> => {
  const connections = connect('order-sync', environment, overrides);
  const { settings, clock, telemetry } = connections;
  const pool = await connections.ledger();
  const account = settings.TRADING_ACCOUNT_LABEL;
  const { limits } = settings;
  const alpaca = timedCalls(alpacaVenue(connections.alpaca(), clock), clock, telemetry);
  const lean = leanVenue(connections.lean(), clock);
  return {
    orders: postgresOrderLedger(pool, { account, limits, telemetry }),
    executions: postgresExecutionLedger(pool, {
      account,
      limits,
      tradingEnabled: settings.TRADING_ENABLED,
      liveEnabled: settings.TRADING_LIVE_ENABLED,
      fallback: settings.TRADING_EXECUTION_FALLBACK_ADAPTER,
      universeMaxStaleSeconds: settings.TRADING_UNIVERSE_MAX_STALE_SECONDS,
      telemetry,
    }),
    broker: {
      ...alpacaHistory(connections.alpaca(), clock),
      ...timedCalls(alpacaReads(connections.alpaca(), clock), clock, telemetry),
      ...alpaca,
    },
    venues: { alpaca, lean: timedCalls(lean, clock, telemetry) },
    leanHealth: { venue: lean, record: leanHealthRecord(pool, account, limits), clock, telemetry },
    reconcileAfterGap: reconcileAfterGap(await reconciliationPorts(connections, 'at_once')),
    outbox: postgresOutbox(pool, account),
    publisher: connections.publisher(),
    clock,
    telemetry,
    ensureBoot: connections.ensureBoot,
    limits,
  };
};
