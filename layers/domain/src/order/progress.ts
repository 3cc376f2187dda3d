import { minDecimal, zero, type Decimal } from '../decimal.ts';
import type { OrderState } from '../enumerations.ts';
import type { Instant } from '../instant.ts';
import { transitionPath } from './states.ts';

/** The broker's execution id, whichever source wrote it: activities put a time and '::' before it. */
export const executionIdOf = (id: string): string => id.slice(id.lastIndexOf(':') + 1);

/** What the broker last said of an order as a whole. `at` is the time of that word, null where it told none. */
export interface ReportedFilled {
  readonly qty: Decimal;
  readonly averagePrice: Decimal | null;
  readonly at: Instant | null;
}

/** The executions of one order that are booked. */
export interface BookedFilled {
  /** Everything that was ever executed: busts and corrections change no state. */
  readonly executedQty: Decimal;
  /** What counts now, busts taken out and corrections taken in. */
  readonly qty: Decimal;
  readonly notional: Decimal;
  /** Newest bust or correction; null without one. */
  readonly correctedAt: Instant | null;
}

export interface OrderProgress {
  readonly state: OrderState;
  readonly filledQty: Decimal;
  /** USD per share; null when nothing is filled. */
  readonly averagePrice: Decimal | null;
  /** The order had ended with less than what was executed. */
  readonly late: boolean;
  /** More is filled than was ordered. */
  readonly overfilled: boolean;
}

const ended: ReadonlySet<OrderState> = new Set(['canceled', 'expired']);
const complete: ReadonlySet<OrderState> = new Set(['filled', 'denied', 'rejected', 'replaced']);
const live: ReadonlySet<OrderState> = new Set(['submitting', 'unknown', 'acknowledged', 'working']);

/**
 * Where an order stands by the broker's last word on it and the executions that are booked. A function of the two, and not
 * of the order in which they became known.
 * @param word the state that the last word means.
 */
export const orderProgress = (
  word: OrderState,
  submittedQty: Decimal,
  reported: ReportedFilled,
  booked: BookedFilled,
): OrderProgress => {
  // A word from before a bust still counts what the bust took back.
  const outdated = booked.correctedAt !== null && (reported.at === null || reported.at < booked.correctedAt);
  const ahead = !outdated && reported.qty.gt(booked.qty);
  const filledQty = ahead ? reported.qty : booked.qty;
  const averagePrice = booked.qty.gt(zero) ? booked.notional.div(booked.qty).round(8, 1) : null;
  // What was executed and never taken back: a bust neither ends an order that fills again nor makes a fill come late.
  const kept = minDecimal(booked.executedQty, booked.qty);
  const late = ended.has(word) && kept.gt(reported.qty);
  return {
    state: stateAfter(word, {
      begun: booked.executedQty.gt(zero) || (live.has(word) && reported.qty.gt(zero)),
      full: kept.gte(submittedQty) || (live.has(word) && ahead && filledQty.gte(submittedQty)),
      late,
    }),
    filledQty,
    averagePrice: ahead ? (reported.averagePrice?.round(8, 1) ?? null) : averagePrice,
    late,
    overfilled: filledQty.gt(submittedQty),
  };
};

/** A partial fill is a state of its own, so a word that leaves it out, such as done for the day, does not undo it. */
const stateAfter = (
  word: OrderState,
  { begun, full, late }: { readonly begun: boolean; readonly full: boolean; readonly late: boolean },
): OrderState => {
  if (complete.has(word) || !begun) return word;
  if (full) return 'filled';
  return late || live.has(word) ? 'partially_filled' : word;
};

/** Whether an order may come to stand there from the state it is in, and through which states. */
export const progressPath = (from: OrderState, { state }: OrderProgress): readonly OrderState[] | null =>
  state === from ? [] : transitionPath(from, state);
