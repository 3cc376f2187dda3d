import {
  followUpOrder,
  publishOutbox,
  syncOrders,
  type FollowUp,
  type Instant,
  type MessagePublisher,
  type Outbox,
  type SyncPorts,
  type SyncResult,
} from '@torghut/domain';

export interface OrderSyncPorts extends SyncPorts {
  readonly outbox: Outbox;
  readonly publisher: MessagePublisher;
}

/** The scheduled run over everything that is open; what it moved to another queue is published. */
export const runScheduled = async (scheduledFor: Instant, ports: OrderSyncPorts): Promise<SyncResult> => {
  const result = await syncOrders(scheduledFor, ports);
  await publishOutbox(ports.outbox, ports.publisher, ports.clock.now());
  return result;
};

/** One order whose follow-up fell due. */
export const runFollowUp = async (followUp: FollowUp, ports: OrderSyncPorts): Promise<void> => {
  await followUpOrder(followUp.clientOrderId, ports);
  await publishOutbox(ports.outbox, ports.publisher, ports.clock.now());
};
