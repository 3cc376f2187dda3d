import { second, type Instant } from '../instant.ts';
import type { BrokerOrder } from '../ports.ts';
import { nothingHeard, observeAcknowledgement } from '../routing/route-order.ts';
import { deriveProvenance, isDuplicate, mayHaveLeft, senderOf, submitFailure } from '../routing/provenance.ts';
import { findInList } from './absence.ts';
import { differenceFrom } from './same-order.ts';
import type { SyncPorts, TakenReceipts, UnresolvedReceipt } from './sync-ports.ts';

/** Looks after a write whose outcome is not known, seconds after it was sent; then every minute. */
const recheckSeconds = [1, 2, 5, 10, 30, 60] as const;
const nextLook = (sentAt: Instant, now: Instant): Instant =>
  recheckSeconds.map((wait) => sentAt + wait * second).find((at) => at > now) ?? now + 60 * second;
/** Absence is believed after this many looks, the last at least five seconds after the write, and a look at the list. */
const absentLooks = 3;
const absenceAgeMs = 5 * second;

/** Looks for one write by client order id, then in the list: adopts it, proves its absence, or leaves it unknown. */
export const resolveReceipt = async (receipt: UnresolvedReceipt, ports: SyncPorts): Promise<boolean> => {
  const { broker, executions, orders, clock, telemetry } = ports;
  const { request, permit, adapter } = receipt;
  const { clientOrderId } = request.order;
  const found = await broker.getOrderByClientOrderId(clientOrderId);
  const failure = submitFailure(adapter, receipt.codes);
  const known = isDuplicate(failure);

  const lookAgain = async (absent: boolean): Promise<boolean> => {
    const now = clock.now();
    await orders.recheckLater(receipt, absent, { now, nextCheckAt: nextLook(receipt.sentAt, now) });
    return false;
  };
  const adopt = async (order: BrokerOrder): Promise<boolean> => {
    const now = clock.now();
    const difference = differenceFrom(request.order, order);
    if (difference !== null) {
      await orders.recordForeign(order, difference, now);
      return lookAgain(false);
    }
    const sender = senderOf(request.route, adapter, failure);
    const provenance = deriveProvenance(request.route, sender, order.raw, 'adopted');
    telemetry.count('orders_adopted_total', 1);
    const settled = await executions.settleOrder(
      permit,
      {
        request,
        outcome: 'adopted',
        order,
        provenance,
        exchange: nothingHeard,
        codes: known ? [] : [failure],
        verdict: 'unobserved',
      },
      now,
    );
    if (settled) observeAcknowledgement(telemetry, request, { adapter: sender, order, now });
    return settled;
  };
  if (found.kind === 'found') return adopt(found.order);
  const looked = receipt.checks + 1 >= absentLooks && clock.now() - receipt.sentAt >= absenceAgeMs;
  // "Known" and "absent" at once is a contradiction, not a proof of absence.
  if (found.kind !== 'absent' || !looked || known) return lookAgain(found.kind === 'absent');
  const listed = await findInList(broker, clientOrderId, receipt.sentAt);
  if (listed.kind === 'listed') return adopt(listed.order);
  if (listed.kind === 'failed') return lookAgain(true);
  const now = clock.now();
  const settled = await executions.settleAbsent(
    permit,
    {
      request,
      failure: {
        adapter,
        code: failure,
        at: now,
        receiptId: permit.receiptId,
        sent: mayHaveLeft(receipt.codes),
      },
      exchange: nothingHeard,
      verdict: 'unobserved',
    },
    now,
  );
  return settled !== 'superseded';
};

/** Takes over what is due for one order or all; a receipt that cannot be read does not hold up the others. */
export const takeReadable = async (
  { orders, clock, telemetry }: SyncPorts,
  limit: number,
  clientOrderId?: string,
): Promise<TakenReceipts> => {
  const taken = await orders.takeUnresolved(clock.now(), limit, clientOrderId);
  for (const { receiptId, detail } of taken.unreadable)
    telemetry.error('the request of a receipt cannot be read; its outcome stays unknown', { receiptId, detail });
  return taken;
};
