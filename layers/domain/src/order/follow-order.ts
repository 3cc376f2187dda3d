import { second } from '../instant.ts';
import type { ExecutionAdapter } from '../enumerations.ts';
import type { BrokerOrder, CancelOutcome } from '../ports.ts';
import { brokerStatusMeaning } from './states.ts';
import type { OpenExecution, SyncPorts } from './sync-ports.ts';

/** Reads of the broker lag behind its writes; an order it does not know is missing once it is this old. */
const missingAgeMs = 60 * second;
/** Orders that replaced one another, one after the other; more is a circle. */
const longestChain = 20;

export interface Followed {
  readonly applied: boolean;
  readonly canceled: boolean;
  readonly read: boolean;
}
export const notRead: Followed = { applied: false, canceled: false, read: false };

/** An order of ours and the broker's word on it. */
interface Standing {
  readonly execution: OpenExecution;
  readonly order: BrokerOrder;
}

const readOrder = async (
  { brokerOrderId, clientOrderId }: Pick<OpenExecution, 'brokerOrderId' | 'clientOrderId'>,
  { broker }: SyncPorts,
): Promise<BrokerOrder | 'absent' | null> => {
  const byId = await broker.getOrder(brokerOrderId);
  // Missing is what neither id leads to.
  const found =
    byId.kind === 'absent' && clientOrderId !== null ? await broker.getOrderByClientOrderId(clientOrderId) : byId;
  return found.kind === 'found' ? found.order : found.kind === 'absent' ? 'absent' : null;
};

/** The orders that took the place of one, the last at the end; null when one of them could not be read. */
const readSuccessors = async (order: BrokerOrder, { broker }: SyncPorts): Promise<readonly BrokerOrder[] | null> => {
  const successors: BrokerOrder[] = [];
  for (let last = order; last.status === 'replaced' && last.replacedBy !== null; last = successors.at(-1) ?? last) {
    if (successors.length === longestChain) return null;
    const next = await broker.getOrder(last.replacedBy);
    if (next.kind !== 'found') return null;
    successors.push(next.order);
  }
  return successors;
};

/** Whether an order has rested for as long as it may, or nothing may rest at all. */
const restedEnough = ({ intent, sentAt }: OpenExecution, { clock, limits }: SyncPorts, stopped: boolean): boolean =>
  stopped || clock.now() - sentAt >= (intent === 'entry' ? limits.entryTtlSeconds : limits.exitTtlSeconds) * second;

/** Whether following an order may lead to a cancel, by what the ledger knows of it. */
export const mayCancel = (execution: OpenExecution, ports: SyncPorts, stopped: boolean): boolean =>
  execution.state === 'pending_cancel' || restedEnough(execution, ports, stopped);

/** Whether an order is to be cancelled now. */
const cancelDue = ({ execution, order }: Standing, ports: SyncPorts, stopped: boolean): boolean => {
  const { clock, limits } = ports;
  const meaning = brokerStatusMeaning(order.status);
  if (meaning === null) return false;
  const { requests, firstAt } = execution.cancels;
  if (meaning.state === 'pending_cancel')
    return requests === 1 && firstAt !== null && clock.now() - firstAt > limits.pendingCancelRereadSeconds * second;
  return meaning.cancelable && restedEnough(execution, ports, stopped);
};

/** When the cancel of an order was asked for that is still pending too long after; null when none is. */
const stuckSince = ({ execution, order }: Standing, { clock, limits }: SyncPorts): number | null => {
  const since = execution.cancels.firstAt ?? order.updatedAt;
  if (brokerStatusMeaning(order.status)?.state !== 'pending_cancel' || since === null) return null;
  return clock.now() - since >= limits.pendingCancelStuckSeconds * second ? since : null;
};

/** Asks one adapter to cancel an order, under a receipt of its own; null while an earlier request is in flight. */
const cancelAt = async (
  adapter: ExecutionAdapter,
  { execution }: Standing,
  { orders, venues, clock }: SyncPorts,
): Promise<CancelOutcome | null> => {
  const permit = await orders.claimCancel(execution, adapter, clock.now());
  if (permit === null) return null;
  const cancel = await venues[adapter].cancel(execution.brokerOrderId, permit);
  await orders.settleCancel(permit, adapter, cancel, clock.now());
  return cancel;
};

/**
 * Reads one order back and applies it, with the orders that replaced it; cancels what rested for longer than it may.
 * @param stopped a control stops everything: nothing may rest at all.
 */
export const followOrder = async (
  execution: OpenExecution,
  runId: string | null,
  stopped: boolean,
  ports: SyncPorts,
): Promise<Followed> => {
  const { orders, clock, telemetry } = ports;
  const results: ('applied' | 'unchanged' | 'illegal')[] = [];
  const apply = async ({ execution: { id }, order }: Standing): Promise<void> => {
    const result = await orders.applyOrder(id, order, runId, clock.now());
    if (result === 'illegal') telemetry.count('order_feed_illegal_transition_total', 1);
    results.push(result);
  };
  const outcome = (canceled: boolean): Followed => ({ applied: results.includes('applied'), canceled, read: true });

  const order = await readOrder(execution, ports);
  if (order === 'absent' && clock.now() - execution.sentAt > missingAgeMs) {
    await orders.recordMissing(execution, runId, clock.now());
    return { ...notRead, read: true };
  }
  if (order === null || order === 'absent') return notRead;
  const successors = await readSuccessors(order, ports);
  // Applied without its successors, the order would have ended here, and nobody would look for them again.
  if (successors === null) return notRead;
  let standing: Standing = { execution, order };
  for (const successor of successors) {
    const adopted = await orders.adoptReplacement(standing.execution.id, successor, clock.now());
    await apply(standing);
    standing = { execution: adopted, order: successor };
  }
  await apply(standing);

  const since = stuckSince(standing, ports);
  if (since !== null) await orders.recordStuckCancel(standing.execution, since, runId, clock.now());
  if (!cancelDue(standing, ports, stopped)) return outcome(false);
  const { adapter } = standing.execution;
  const readBack = async (): Promise<boolean> => {
    const after = await readOrder(standing.execution, ports);
    if (after === null || after === 'absent') return false;
    await apply({ ...standing, order: after });
    const meaning = brokerStatusMeaning(after.status);
    return meaning?.cancelable === true && meaning.state !== 'pending_cancel';
  };
  let cancel = await cancelAt(adapter, standing, ports);
  if (cancel === null) return outcome(false);
  // Asking twice is harmless, so an answer that never came from LEAN is asked for at the broker at once.
  if (cancel.kind === 'unknown' && adapter === 'lean') cancel = (await cancelAt('alpaca', standing, ports)) ?? cancel;
  const stands = await readBack();
  // Only the broker's own word says that an order ended.
  if (stands && cancel.kind === 'already_terminal' && adapter === 'lean') {
    cancel = (await cancelAt('alpaca', standing, ports)) ?? cancel;
    await readBack();
  }
  return outcome(cancel.kind === 'requested');
};
