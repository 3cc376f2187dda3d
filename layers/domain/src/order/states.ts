import { orderStates } from '../enumerations.ts';
import type { OrderState } from '../enumerations.ts';

/**
 * Legal changes of an order's state. Migration 0005 holds the same table for the trigger on `executions`. A change that
 * is not listed is stored as an `illegal_transition` break and not applied.
 *
 * `canceled` and `expired` lead on by a late fill only: a fill with an execution id not seen before. `unknown` leads to
 * `submitting` (by the other adapter) or `denied` only after proof that no venue has the order. A trade bust or
 * correction of a filled order changes quantities and raises a break, not the state.
 */
export const orderTransitions: Readonly<Record<OrderState, readonly OrderState[]>> = {
  planned: ['submitting', 'denied'],
  denied: [],
  submitting: [
    'acknowledged',
    'working',
    'partially_filled',
    'filled',
    'canceled',
    'expired',
    'rejected',
    'unknown',
    'denied',
  ],
  unknown: [
    'acknowledged',
    'working',
    'partially_filled',
    'filled',
    'canceled',
    'expired',
    'rejected',
    'replaced',
    'submitting',
    'denied',
  ],
  acknowledged: [
    'working',
    'partially_filled',
    'filled',
    'pending_cancel',
    'pending_replace',
    'canceled',
    'expired',
    'rejected',
  ],
  working: [
    'partially_filled',
    'filled',
    'pending_cancel',
    'pending_replace',
    'canceled',
    'expired',
    'replaced',
    'rejected',
  ],
  partially_filled: [
    'partially_filled',
    'filled',
    'pending_cancel',
    'pending_replace',
    'canceled',
    'expired',
    'replaced',
  ],
  pending_cancel: ['canceled', 'filled', 'partially_filled', 'working', 'expired'],
  pending_replace: ['replaced', 'working', 'partially_filled', 'filled', 'canceled'],
  filled: [],
  canceled: ['filled', 'partially_filled'],
  expired: ['filled', 'partially_filled'],
  replaced: [],
  rejected: [],
};

/** Whether an order may go from one state to the other. Staying in a state is not a transition, but for one fill more. */
export const canTransition = (from: OrderState, to: OrderState): boolean => orderTransitions[from].includes(to);

/**
 * The states an order went through from one look at it to the next; null when the table allows no way. An order is looked
 * at now and then, so one that went live in between may already be, say, replaced: it was `working` unseen.
 */
export const transitionPath = (from: OrderState, to: OrderState): readonly OrderState[] | null => {
  if (canTransition(from, to)) return [to];
  return canTransition(from, 'working') && canTransition('working', to) ? ['working', to] : null;
};

/** States in which no venue works on the order any more. A late fill can still change `canceled` and `expired`. */
export const terminalOrderStates = ['denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected'] as const;
export type TerminalOrderState = (typeof terminalOrderStates)[number];

const terminal: ReadonlySet<OrderState> = new Set(terminalOrderStates);
export const isTerminal = (state: OrderState): state is TerminalOrderState => terminal.has(state);
export const openOrderStates: readonly OrderState[] = orderStates.filter((state) => !isTerminal(state));

/** The broker's 17 words for the state of an order. */
export const brokerStatuses = [
  'accepted',
  'pending_new',
  'accepted_for_bidding',
  'held',
  'new',
  'partially_filled',
  'stopped',
  'suspended',
  'calculated',
  'done_for_day',
  'pending_cancel',
  'pending_replace',
  'filled',
  'canceled',
  'expired',
  'replaced',
  'rejected',
] as const;
export type BrokerStatus = (typeof brokerStatuses)[number];

/** What a broker status means to us. `replaceable` is null where the broker does not say; treat it as no. */
export interface BrokerStatusMeaning {
  readonly state: OrderState;
  readonly terminal: boolean;
  readonly cancelable: boolean;
  readonly replaceable: boolean | null;
}

const open = (state: OrderState, cancelable: boolean, replaceable: boolean | null): BrokerStatusMeaning => ({
  state,
  terminal: false,
  cancelable,
  replaceable,
});
const closed = (state: OrderState): BrokerStatusMeaning => ({
  state,
  terminal: true,
  cancelable: false,
  replaceable: false,
});

/** Source: Alpaca Trading API v2, order status. `done_for_day` and `calculated` are followed until terminal. */
export const brokerStatusMeanings: Readonly<Record<BrokerStatus, BrokerStatusMeaning>> = {
  accepted: open('acknowledged', true, false),
  pending_new: open('acknowledged', true, false),
  accepted_for_bidding: open('acknowledged', true, null),
  held: open('acknowledged', true, null),
  new: open('working', true, true),
  partially_filled: open('partially_filled', true, true),
  stopped: open('working', true, null),
  suspended: open('working', true, null),
  calculated: open('working', false, false),
  done_for_day: open('working', true, null),
  pending_cancel: open('pending_cancel', false, false),
  pending_replace: open('pending_replace', false, false),
  filled: closed('filled'),
  canceled: closed('canceled'),
  expired: closed('expired'),
  replaced: closed('replaced'),
  rejected: closed('rejected'),
};

/** Meaning of the broker's word; null for one that is not known, which decides nothing. */
export const brokerStatusMeaning = (status: string): BrokerStatusMeaning | null =>
  Object.hasOwn(brokerStatusMeanings, status) ? brokerStatusMeanings[status as BrokerStatus] : null;
