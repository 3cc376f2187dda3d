import { decimal, minDecimal, zero } from '@torghut/domain';
import type { Decimal, Side } from '@torghut/domain';

/** One netted position. A short has a negative quantity. */
export interface Position {
  readonly symbol: string;
  readonly qty: Decimal;
  readonly avgEntryPrice: Decimal;
}

const minusOne = decimal('-1');

/** A position after a fill: entries average the price, exits leave it, a flip starts anew at the fill's price. */
export const afterFill = (position: Position, side: Side, qty: Decimal, price: Decimal): Position => {
  const signed = side === 'buy' ? qty : qty.times(minusOne);
  const total = position.qty.plus(signed);
  const sameDirection = position.qty.times(signed).gte(zero);
  if (sameDirection) {
    const cost = position.qty.abs().times(position.avgEntryPrice).plus(qty.times(price));
    return { ...position, qty: total, avgEntryPrice: total.eq(zero) ? zero : cost.div(total.abs()) };
  }
  const flipped = total.times(position.qty).lt(zero);
  return { ...position, qty: total, avgEntryPrice: total.eq(zero) ? zero : flipped ? price : position.avgEntryPrice };
};

/** How much of an order of this side only reduces the position. */
export const closingQty = (position: Decimal, side: Side, qty: Decimal): Decimal => {
  const reducible = side === 'buy' ? position.times(minusOne) : position;
  return reducible.gt(zero) ? minDecimal(reducible, qty) : zero;
};
