import type { DecisionStatus, OrderState, ReceiptOutcome, ReceiptState } from '../enumerations.ts';

/** Everything that decides the status of a decision. Nothing else writes it. */
export interface DecisionFacts {
  /** Refused before any broker saw it: at decision time, at a claim, or by time. */
  readonly denied: boolean;
  /** Handed to a queue. */
  readonly published: boolean;
  readonly receipts: readonly { readonly state: ReceiptState; readonly outcome: ReceiptOutcome | null }[];
  /** State of the execution, when the broker is known to have the order. */
  readonly execution: OrderState | null;
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

/** Status of a decision, derived from the risk result, its receipts and its execution. */
export const deriveDecisionStatus = (facts: DecisionFacts): DecisionStatus => {
  if (facts.execution !== null) return ofExecution[facts.execution];
  if (facts.receipts.some(({ state, outcome }) => state === 'io' || outcome === 'unknown')) return 'unknown';
  if (facts.receipts.some(({ outcome }) => outcome === 'rejected')) return 'rejected';
  if (facts.denied) return 'denied';
  return facts.published ? 'queued' : 'planned';
};
