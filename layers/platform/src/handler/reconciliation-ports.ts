import type { ReconciliationPorts } from '@torghut/domain';
import { alpacaHistory, type HistoryPace } from '../alpaca/activities.ts';
import { alpacaReads } from '../alpaca/reads.ts';
import { alpacaVenue } from '../alpaca/venue.ts';
import { postgresOrderLedger } from '../postgres/order-ledger.ts';
import { postgresReconciliationLedger } from '../postgres/reconciliation-ledger.ts';
import { timedCalls } from '../telemetry/timed-calls.ts';
import type { Connections } from './connections.ts';

/** The ports of a reconciliation over the broker of record and the ledger of the account. */
export const reconciliationPorts = async (
  connections: Connections,
  pace: HistoryPace,
): Promise<ReconciliationPorts> => {
  const { settings, clock, telemetry } = connections;
  const pool = await connections.ledger();
  const account = settings.TRADING_ACCOUNT_LABEL;
  const { limits } = settings;
  const alpaca = connections.alpaca();
  return {
    reconciliation: postgresReconciliationLedger(pool, { account, telemetry }),
    orders: postgresOrderLedger(pool, { account, limits, telemetry }),
    broker: {
      ...alpacaHistory(alpaca, clock, pace),
      ...timedCalls(alpacaReads(alpaca, clock), clock, telemetry),
      ...timedCalls(alpacaVenue(alpaca, clock), clock, telemetry),
    },
    clock,
    telemetry,
    limits,
  };
};
