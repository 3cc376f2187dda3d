import { decimal, zero, type Decimal } from '../decimal.ts';

const cent = decimal('0.01');

/**
 * Splits an amount of whole cents in proportion to weights, exactly: shares are whole cents and sum to the amount. Cents
 * left over after rounding down go to the largest remainders; of equal ones the earlier weight comes first
 * (Hamilton's method).
 * @param amount at least 0, a multiple of 0.01.
 * @param weights each at least 0; at least one above 0 unless the amount is 0.
 * @throws RangeError when the amount is not whole cents or nothing has a weight.
 */
export const splitByLargestRemainder = (amount: Decimal, weights: readonly Decimal[]): readonly Decimal[] => {
  const cents = amount.times('100');
  if (cents.lt(zero) || !cents.round(0).eq(cents)) {
    throw new RangeError(`expected an amount of whole cents of at least 0, found ${amount.toFixed()}`);
  }
  if (cents.eq(zero)) return weights.map(() => zero);
  const total = weights.reduce((sum, weight) => sum.plus(weight), zero);
  if (!total.gt(zero)) throw new RangeError(`expected a weight above 0 to split ${amount.toFixed()} by, found none`);

  const shares = weights.map((weight, index) => {
    const floor = cents.times(weight).div(total).round(0, 0);
    // Remainders stay multiplied by the total weight: the quotient is rounded, this difference is exact.
    return { index, floor, remainder: cents.times(weight).minus(floor.times(total)) };
  });
  const left = Number(shares.reduce((rest, { floor }) => rest.minus(floor), cents).toFixed());
  const extra = new Set(
    shares
      .toSorted((a, b) => b.remainder.cmp(a.remainder) || a.index - b.index)
      .slice(0, left)
      .map(({ index }) => index),
  );
  return shares.map(({ index, floor }) => floor.plus(extra.has(index) ? '1' : '0').times(cent));
};
