import { decimal, decimalText, maxDecimal, zero, type Decimal } from '../decimal.ts';
import { toText, type Instant } from '../instant.ts';
import { cashSeverity, cashTolerance, type FoundBreak } from './breaks.ts';

/** Cash and the sum of everything the activities ever did to it, USD, read at one quiet moment. */
export interface CashReading {
  readonly cash: Decimal;
  readonly activitiesNet: Decimal;
  readonly asOf: Instant;
}

export interface CashComparison {
  /** What the broker has more than opening cash and activities come to. */
  readonly difference: Decimal;
  /** The part of it that fees of the last session explain, which the broker posts on the next UTC day. */
  readonly provisional: Decimal;
  readonly found: FoundBreak | null;
}

/**
 * Opening cash and the activities since must come to the cash of now. Cash less all activities is therefore the same in
 * every reading, and no activity has to be put before or after a moment that its posting date does not tell.
 * @param opening of the last reading that agreed, or that a person accepted.
 * @param pendingFees USD that the fee table expects of sessions whose fees are not posted yet: taken or not, it is no break.
 */
export const compareCash = (opening: CashReading, closing: CashReading, pendingFees: Decimal): CashComparison => {
  const expected = opening.cash.plus(closing.activitiesNet).minus(opening.activitiesNet);
  const difference = closing.cash.minus(expected);
  const tolerance = decimal(cashTolerance);
  // Only a deduction, and no larger than the fees that are due.
  const isPending = difference.lt(zero) && difference.abs().lte(maxDecimal(zero, pendingFees).plus(tolerance));
  const provisional = isPending && pendingFees.gt(zero) ? difference : zero;
  const left = difference.minus(provisional);
  if (left.abs().lte(tolerance)) return { difference, provisional, found: null };
  return {
    difference,
    provisional,
    found: {
      type: 'cash_mismatch',
      symbol: null,
      orderRef: null,
      // Once a person has accepted it, cash counts from there: the same amount again is another loss.
      identity: { difference: decimalText(left), opened_at: toText(opening.asOf) },
      ours: {
        opening_cash: decimalText(opening.cash),
        opened_at: toText(opening.asOf),
        activities: decimalText(closing.activitiesNet.minus(opening.activitiesNet)),
        expected_cash: decimalText(expected),
      },
      theirs: {
        cash: decimalText(closing.cash),
        activities_net: decimalText(closing.activitiesNet),
        as_of: toText(closing.asOf),
      },
      tolerance: { usd: cashTolerance, pending_fees: decimalText(pendingFees) },
      severity: cashSeverity(left),
      healed: false,
    },
  };
};
