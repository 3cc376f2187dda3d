import type { DecisionStatus, OrderState, ReceiptOutcome, ReceiptState } from '../enumerations.ts';

/** One order of a decision. An order that was replaced at the broker names the one that took its place. */
export interface DecisionExecution {
  readonly attempt: number;
  readonly state: OrderState;
  readonly replaced: boolean;
  readonly filled: boolean;
}

/** Everything that decides the status of a decision. Nothing else writes it. */
export interface DecisionFacts {
  /** Refused before any broker saw it: at decision time, at a claim, or by time. */
  readonly denied: boolean;
  /** Handed to a queue. */
  readonly published: boolean;
  readonly receipts: readonly { readonly state: ReceiptState; readonly outcome: ReceiptOutcome | null }[];
  /** Orders the broker is known to have, in the order of their submission. */
  readonly executions: readonly DecisionExecution[];
}

const ofExecution: Readonly<Record<OrderState, DecisionStatus>> = {
  planned: 'queued',
  denied: 'denied',
  submitting: 'unknown',
  unknown: 'unknown',
  acknowledged: 'submitted',
  working: 'submitted',
  partially_filled: 'partially_filled',
  pending_cancel: 'submitted',
  pending_replace: 'submitted',
  filled: 'filled',
  canceled: 'canceled',
  expired: 'expired',
  replaced: 'submitted',
  rejected: 'rejected',
};

/** The order a decision stands by: of its last attempt the one that nothing has replaced, else the newest. */
const standing = (executions: readonly DecisionExecution[]): DecisionExecution | undefined => {
  const attempt = Math.max(...executions.map((one) => one.attempt));
  const last = executions.filter((one) => one.attempt === attempt);
  return last.findLast(({ replaced }) => !replaced) ?? last.at(-1);
};

/** Status of a decision, derived from the risk result, its receipts and its executions. */
export const deriveDecisionStatus = (facts: DecisionFacts): DecisionStatus => {
  const order = standing(facts.executions);
  if (order !== undefined) {
    const status = ofExecution[order.state];
    // What an order had filled before it was replaced, or before its cancel was asked for, stays filled.
    const filled = facts.executions.some((one) => one.attempt === order.attempt && one.filled);
    return status === 'submitted' && filled ? 'partially_filled' : status;
  }
  if (facts.receipts.some(({ state, outcome }) => state === 'io' || outcome === 'unknown')) return 'unknown';
  if (facts.receipts.some(({ outcome }) => outcome === 'rejected')) return 'rejected';
  if (facts.denied) return 'denied';
  return facts.published ? 'queued' : 'planned';
};
