import {
  floorTo,
  minute,
  newYorkDate,
  newYorkInstant,
  reconcile,
  type Instant,
  type ReconciliationPorts,
  type ReconciliationReads,
  type ReconciliationResult,
  type ReconciliationScope,
} from '@torghut/domain';
import {
  alpacaHistory,
  alpacaVenue,
  decideBreak,
  fixedCredentials,
  inTransaction,
  postgresReconciliationLedger,
} from '@torghut/platform';
import { account, type ExecutionWorld } from './execution.ts';

export interface StoredBreak {
  readonly id: string;
  readonly break_type: string;
  readonly symbol: string | null;
  readonly severity: string;
  readonly status: string;
  readonly heal_policy: string;
  readonly ours: Record<string, unknown>;
  readonly theirs: Record<string, unknown>;
}

/** The reconciliation of an execution world: its ledger and its broker, with what a test puts in between. */
export const reconciliationOf = (world: ExecutionWorld, broker: Partial<ReconciliationReads> = {}) => {
  const { clock, telemetry, ports } = world;
  const credentials = fixedCredentials({ keyId: 'PKTEST', secretKey: 'secret' });
  const alpaca = { baseUrl: world.twins.alpaca.url, credentials };
  const reconciliationPorts: ReconciliationPorts = {
    reconciliation: postgresReconciliationLedger(world.database.app, { account, telemetry }),
    orders: ports.sync.orders,
    broker: {
      ...ports.sync.broker,
      ...alpacaHistory(alpaca, clock),
      ...alpacaVenue(alpaca, clock),
      ...broker,
    },
    clock,
    telemetry,
    limits: ports.sync.limits,
  };
  const tools = {
    ports: reconciliationPorts,

    run: (
      scope: ReconciliationScope,
      scheduledFor: Instant = floorTo(clock.now(), minute),
    ): Promise<ReconciliationResult> => reconcile(scope, scheduledFor, reconciliationPorts),

    /** The nightly run before the next day, at its time. */
    nightly: (): Promise<ReconciliationResult> => {
      const today = newYorkInstant(newYorkDate(clock.now()), '05:00');
      const due = today > clock.now() ? today : newYorkInstant(newYorkDate(clock.now() + 24 * 60 * minute), '05:00');
      clock.advanceTo(due);
      return tools.run('nightly', due);
    },

    /** Everything that was found, oldest first. */
    breaks: (): Promise<StoredBreak[]> =>
      world.rows<StoredBreak>(
        `SELECT id, break_type, symbol, severity, status, heal_policy, ours, theirs FROM reconciliation_breaks ORDER BY created_at, break_type`,
      ),

    types: async (): Promise<string[]> => (await tools.breaks()).map(({ break_type: type }) => type),

    accept: async (type: string): Promise<void> => {
      for (const { id } of (await tools.breaks()).filter((found) => found.break_type === type))
        await inTransaction(world.database.app, (client) =>
          decideBreak(client, account, id, 'accepted', 'operator@example.org', 'looked at by a test'),
        );
    },
  };
  return tools;
};
