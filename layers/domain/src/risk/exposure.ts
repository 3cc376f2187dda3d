import { decimal, maxDecimal, zero, type Decimal } from '../decimal.ts';
import type { Side } from '../enumerations.ts';
import type { Ticker } from '../identifiers.ts';
import type { Commitment, RiskPosition } from './context.ts';

/** Exposure of one symbol: the position and everything that may still trade. */
export interface SymbolExposure {
  readonly positionQty: Decimal;
  readonly positionValue: Decimal;
  readonly buyQty: Decimal;
  readonly sellQty: Decimal;
  readonly buyValue: Decimal;
  readonly sellValue: Decimal;
  readonly commitments: readonly Commitment[];
}

const flat: SymbolExposure = {
  positionQty: zero,
  positionValue: zero,
  buyQty: zero,
  sellQty: zero,
  buyValue: zero,
  sellValue: zero,
  commitments: [],
};

/** Value if every buy and no sell trades, USD. */
export const longCase = (one: SymbolExposure): Decimal => one.positionValue.plus(one.buyValue);
/** Value if every sell and no buy trades, USD. */
export const shortCase = (one: SymbolExposure): Decimal => one.positionValue.minus(one.sellValue);
/** The larger of the two cases. */
export const grossCase = (one: SymbolExposure): Decimal => maxDecimal(longCase(one).abs(), shortCase(one).abs());

/** Quantity of an order of this side that only reduces the position, given what is reserved against it already. */
export const reducibleQty = (one: SymbolExposure, side: Side): Decimal =>
  side === 'sell'
    ? maxDecimal(zero, one.positionQty.minus(one.sellQty))
    : maxDecimal(zero, zero.minus(one.positionQty).minus(one.buyQty));

/** The exposure with one more commitment. */
export const withCommitment = (one: SymbolExposure, added: Commitment): SymbolExposure => {
  const value = added.qty.times(added.price);
  const buys = added.side === 'buy';
  return {
    ...one,
    buyQty: buys ? one.buyQty.plus(added.qty) : one.buyQty,
    buyValue: buys ? one.buyValue.plus(value) : one.buyValue,
    sellQty: buys ? one.sellQty : one.sellQty.plus(added.qty),
    sellValue: buys ? one.sellValue : one.sellValue.plus(value),
    commitments: [...one.commitments, added],
  };
};

const isOpen = (one: SymbolExposure): boolean =>
  !one.positionQty.eq(zero) || one.buyQty.gt(zero) || one.sellQty.gt(zero);

/** Sums over all symbols, kept while commitments are added. Every figure assumes the worse outcome of what is pending. */
export class ExposureBook {
  readonly #bySymbol = new Map<Ticker, SymbolExposure>();
  #gross = zero;
  #longNet = zero;
  #shortNet = zero;
  #openingValue = zero;
  #openingMargin = zero;
  #openSymbols = 0;

  constructor(
    positions: readonly RiskPosition[],
    commitments: readonly Commitment[],
    marginOf: (symbol: Ticker, side: Side) => Decimal,
  ) {
    for (const { symbol, qty, marketValue } of positions) {
      this.#replace(symbol, { ...flat, positionQty: qty, positionValue: marketValue });
    }
    for (const commitment of commitments) this.commit(commitment, marginOf(commitment.symbol, commitment.side));
  }

  of(symbol: Ticker): SymbolExposure {
    return this.#bySymbol.get(symbol) ?? flat;
  }

  /** Gross exposure, USD. */
  get gross(): Decimal {
    return this.#gross;
  }
  /** Net exposure if every buy and no sell trades, USD. */
  get longNet(): Decimal {
    return this.#longNet;
  }
  /** Net exposure if every sell and no buy trades, USD. */
  get shortNet(): Decimal {
    return this.#shortNet;
  }
  /** Notional of commitments that open exposure, valued at their limits: what the buying power must still pay for. */
  get openingValue(): Decimal {
    return this.#openingValue;
  }
  /** Maintenance margin those commitments will need, USD. */
  get openingMargin(): Decimal {
    return this.#openingMargin;
  }
  /** Symbols with a position or something pending. */
  get openSymbols(): number {
    return this.#openSymbols;
  }

  isOpen(symbol: Ticker): boolean {
    return isOpen(this.of(symbol));
  }

  /** Reserves a commitment; `margin` is the maintenance margin of the symbol as a share of notional. */
  commit(commitment: Commitment, margin: Decimal): void {
    const before = this.of(commitment.symbol);
    const openingQty = maxDecimal(zero, commitment.qty.minus(reducibleQty(before, commitment.side)));
    if (openingQty.gt(zero)) {
      this.#openingValue = this.#openingValue.plus(openingQty.times(payingPrice(commitment)));
      this.#openingMargin = this.#openingMargin.plus(openingQty.times(commitment.price).times(margin));
    }
    this.#replace(commitment.symbol, withCommitment(before, commitment));
  }

  #replace(symbol: Ticker, after: SymbolExposure): void {
    const before = this.of(symbol);
    this.#gross = this.#gross.minus(grossCase(before)).plus(grossCase(after));
    this.#longNet = this.#longNet.minus(longCase(before)).plus(longCase(after));
    this.#shortNet = this.#shortNet.minus(shortCase(before)).plus(shortCase(after));
    this.#openSymbols += Number(isOpen(after)) - Number(isOpen(before));
    this.#bySymbol.set(symbol, after);
  }
}

/** The broker values a short at 1.03 times the ask, which lies half of the widest spread (20 bps) above our price at most. */
const shortFactor = decimal('1.03').times(decimal('1.001'));
/** It adds up to 4 % to the far side of the market where an order states no limit. */
const marketFactor = decimal('1.04').times(decimal('1.001'));

/** What one share of an opening order may hold of the buying power, USD. */
export const payingPrice = ({ side, limitPrice, price }: Pick<Commitment, 'side' | 'limitPrice' | 'price'>): Decimal =>
  side === 'sell'
    ? maxDecimal(limitPrice ?? price, price.times(shortFactor))
    : (limitPrice ?? price.times(marketFactor));
