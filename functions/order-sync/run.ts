import {
  checkLeanHealth,
  followUpOrder,
  publishOutbox,
  syncOrders,
  type FollowUp,
  type Instant,
  type LeanHealthPorts,
  type MessagePublisher,
  type Outbox,
  type SyncPorts,
  type SyncResult,
} from '@torghut/domain';

export interface OrderSyncPorts extends SyncPorts {
  readonly leanHealth: LeanHealthPorts;
  readonly outbox: Outbox;
  readonly publisher: MessagePublisher;
}

/**
 * The scheduled run over everything that is open, and beside it the health of the LEAN runner; what was moved to another
 * queue is published.
 */
export const runScheduled = async (scheduledFor: Instant, ports: OrderSyncPorts): Promise<SyncResult> => {
  const health = checkLeanHealth(scheduledFor, ports.leanHealth).catch((error: unknown) => {
    // The orders are followed whatever is known of the runner; it is asked again in a minute.
    ports.telemetry.error('order sync: the health of the LEAN runner could not be recorded', { error });
  });
  const result = await syncOrders(scheduledFor, ports);
  await health;
  await publishOutbox(ports.outbox, ports.publisher, ports.clock.now());
  return result;
};

/** One order whose follow-up fell due. */
export const runFollowUp = async (followUp: FollowUp, ports: OrderSyncPorts): Promise<void> => {
  await followUpOrder(followUp.clientOrderId, ports);
  await publishOutbox(ports.outbox, ports.publisher, ports.clock.now());
};
