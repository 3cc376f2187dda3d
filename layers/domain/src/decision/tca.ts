import { decimal, minDecimal, zero, type Decimal } from '../decimal.ts';
import type { Side } from '../enumerations.ts';

export interface FilledOrder {
  readonly side: Side;
  /** Reference price at decision time, USD, above zero. */
  readonly arrivalPrice: Decimal;
  readonly averageFillPrice: Decimal;
  /** Above zero. */
  readonly filledQty: Decimal;
  /** Cost the model expected at decision time, bps; null when it was unknown. */
  readonly modelledBps: Decimal | null;
  /** Signed quantity of account, strategy and symbol before this fill. */
  readonly priorSignedQty: Decimal;
}

/** Transaction cost of one order against its arrival price; a positive number is a cost. Eight decimals, as stored. */
export interface TransactionCost {
  readonly signedQty: Decimal;
  readonly slippageBps: Decimal;
  readonly shortfallNotional: Decimal;
  readonly divergenceBps: Decimal | null;
  /** Quantity that undid an opposite position, and its share of the fill. */
  readonly churnQty: Decimal;
  readonly churnRatio: Decimal;
}

const bps = decimal('10000');
const places = 8;

/** @throws RangeError when nothing was filled or the arrival price is not above zero. */
export const transactionCost = (fill: FilledOrder): TransactionCost => {
  const { arrivalPrice, filledQty, priorSignedQty } = fill;
  if (arrivalPrice.lte(zero))
    throw new RangeError(`expected an arrival price above 0, found ${arrivalPrice.toFixed()}`);
  if (filledQty.lte(zero)) throw new RangeError(`expected a filled quantity above 0, found ${filledQty.toFixed()}`);
  const signedQty = fill.side === 'buy' ? filledQty : zero.minus(filledQty);
  const perShare =
    fill.side === 'buy' ? fill.averageFillPrice.minus(arrivalPrice) : arrivalPrice.minus(fill.averageFillPrice);
  const slippageBps = perShare.times(bps).div(arrivalPrice).round(places, 1);
  const opposite = priorSignedQty.times(signedQty).lt(zero);
  const churnQty = opposite ? minDecimal(priorSignedQty.abs(), filledQty) : zero;
  return {
    signedQty,
    slippageBps,
    shortfallNotional: perShare.times(filledQty).round(places, 1),
    divergenceBps: fill.modelledBps === null ? null : slippageBps.minus(fill.modelledBps),
    churnQty,
    churnRatio: churnQty.div(filledQty).round(places, 1),
  };
};
