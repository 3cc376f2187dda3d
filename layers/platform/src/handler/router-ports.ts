import {
  accountRefresh,
  type ExecutionAdapter,
  type ExecutionVenue,
  type MessagePublisher,
  type Outbox,
  type RoutePorts,
} from '@torghut/domain';
import { alpacaHistory } from '../alpaca/activities.ts';
import { alpacaReads } from '../alpaca/reads.ts';
import { alpacaVenue } from '../alpaca/venue.ts';
import { leanVenue } from '../lean/venue.ts';
import { postgresExecutionLedger } from '../postgres/execution-ledger.ts';
import { postgresOutbox } from '../postgres/outbox-store.ts';
import { snapshotStore } from '../postgres/position-snapshots.ts';
import { timedCalls } from '../telemetry/timed-calls.ts';
import type { Invocation } from './invocation.ts';
import { assetLookup, connect, type Environment, type Overrides } from './connections.ts';

/** What a router works with: one adapter, the broker of record, the ledger, and the way to the other queue. */
export interface RouterPorts extends Omit<RoutePorts, 'telemetry'>, Invocation {
  readonly outbox: Outbox;
  readonly publisher: MessagePublisher;
}

/**
 * The ports of a router from its environment.
 * @throws SettingsError naming every setting at fault; SecretUnavailable when a secret cannot be read.
 */
export const routerPorts = async (
  adapter: ExecutionAdapter,
  environment: Environment,
  overrides: Overrides = {},
): Promise<RouterPorts> => {
  const connections = connect(`${adapter}-router`, environment, overrides);
  const { settings, clock, telemetry } = connections;
  const pool = await connections.ledger();
  const broker = timedCalls(alpacaVenue(connections.alpaca(), clock), clock, telemetry);
  const venue: ExecutionVenue =
    adapter === 'lean' ? timedCalls(leanVenue(connections.lean(), clock), clock, telemetry) : broker;
  const reads = timedCalls(alpacaReads(connections.alpaca(), clock), clock, telemetry);
  const account = settings.TRADING_ACCOUNT_LABEL;
  return {
    ledger: postgresExecutionLedger(pool, {
      account,
      limits: settings.limits,
      tradingEnabled: settings.TRADING_ENABLED,
      liveEnabled: settings.TRADING_LIVE_ENABLED,
      fallback: settings.TRADING_EXECUTION_FALLBACK_ADAPTER,
      universeMaxStaleSeconds: settings.TRADING_UNIVERSE_MAX_STALE_SECONDS,
      telemetry,
    }),
    venue,
    broker: { ...broker, ...alpacaHistory(connections.alpaca(), clock) },
    asset: assetLookup(reads, clock),
    refreshAccount: accountRefresh({ orders: snapshotStore(pool, account), broker: reads, clock, telemetry }),
    outbox: postgresOutbox(pool, account),
    publisher: connections.publisher(),
    clock,
    telemetry,
    ensureBoot: connections.ensureBoot,
  };
};
