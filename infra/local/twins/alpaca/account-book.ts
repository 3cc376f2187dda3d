import { decimal, maxDecimal, zero } from '@torghut/domain';
import type { Decimal, Instant, NewYorkDate } from '@torghut/domain';
import { feeRows, nonTradeActivity } from './activities.ts';
import type { NonTrade } from './activities.ts';
import { effectiveLimit } from './life.ts';
import type { MarketData, Quote } from './market-data.ts';
import { openingPrice } from './order-checks.ts';
import { remainingQty } from './order.ts';
import type { TwinOrder } from './order.ts';
import { closingQty } from './position.ts';
import type { ProbeFacts } from './probe-facts.ts';
import type { Sessions } from './sessions.ts';
import type { TwinState } from './state.ts';

export interface AccountBookSettings {
  readonly marketData: MarketData;
  readonly sessions: Sessions;
  readonly facts: ProbeFacts;
  readonly seed: number;
  /** Leverage of the account. */
  readonly multiplier: '1' | '2' | '4';
}

/** The account's value at one moment; positions at the middle of their last quote. */
export interface Valuation {
  readonly equity: Decimal;
  readonly longMarketValue: Decimal;
  /** Not positive. */
  readonly shortMarketValue: Decimal;
  readonly buyingPower: Decimal;
  /** Leverage in force. */
  readonly multiplier: Decimal;
}

const half = decimal('0.5');
const marginEquity = decimal('2000');

/** What the account is worth and may still buy, and what moves its cash beside fills. */
export class AccountBook {
  readonly #settings: AccountBookSettings;
  readonly #state: TwinState;

  constructor(settings: AccountBookSettings, state: TwinState) {
    this.#settings = settings;
    this.#state = state;
  }

  /** The account at a moment that it was advanced to. */
  valuation(at: Instant): Valuation {
    const { cash } = this.#state.account();
    const values = this.#state
      .positions()
      .map(({ symbol, qty, avgEntryPrice }) => qty.times(this.mid(symbol, at) ?? avgEntryPrice));
    const longMarketValue = sum(values.filter((value) => value.gt(zero)));
    const shortMarketValue = sum(values.filter((value) => value.lt(zero)));
    const equity = cash.plus(longMarketValue).plus(shortMarketValue);
    const multiplier = this.#multiplier(equity);
    const free = equity
      .times(multiplier)
      .minus(longMarketValue)
      .plus(shortMarketValue)
      .minus(sum(this.#state.openOrders().map((order) => this.hold(order, at))));
    return { equity, longMarketValue, shortMarketValue, buyingPower: free.gt(zero) ? free : zero, multiplier };
  }

  /** Fees of trades that are not posted yet, USD. */
  accruedFees(): Decimal {
    const rows = this.#state.account().unpostedFees.flatMap((date) => feeRows(date, this.#state.fills()));
    return zero.minus(sum(rows.map(({ netAmount }) => netAmount)));
  }

  /** The middle of the quote in force, or `null`. */
  mid(symbol: string, at: Instant): Decimal | null {
    const quote = this.quote(symbol, at);
    return quote === null ? null : decimal(quote.bid).plus(decimal(quote.ask)).times(half);
  }

  /** Books what moves cash or shares beside a fill. */
  book(row: NonTrade, at: Instant): void {
    this.#state.saveAccount({ cash: this.#state.account().cash.plus(row.netAmount) });
    this.#state.addActivity(nonTradeActivity(row, at, this.#settings.seed, this.#state.activities().length));
  }

  /** The value of the largest position of any symbol, USD without its sign. */
  largestPositionValue(at: Instant): Decimal {
    return maxDecimal(
      zero,
      ...this.#state
        .positions()
        .map(({ symbol, qty, avgEntryPrice }) => qty.times(this.mid(symbol, at) ?? avgEntryPrice).abs()),
    );
  }

  /** Charges the fees of a trade date. */
  postFees(date: NewYorkDate, at: Instant): void {
    for (const row of feeRows(date, this.#state.fills())) this.book(row, at);
    this.#state.saveAccount({ unpostedFees: this.#state.account().unpostedFees.filter((other) => other !== date) });
  }

  /** Keeps the equity of a session's close. */
  recordClose(at: Instant): void {
    this.#state.saveAccount({ lastEquity: this.valuation(at).equity, lastCloseAt: at });
  }

  /** Leverage needs an equity of 2,000 USD, and the account may ask for less. */
  #multiplier(equity: Decimal): Decimal {
    if (equity.lt(marginEquity)) return decimal('1');
    const asked = this.#state.account().configuration.maxMarginMultiplier;
    return decimal(asked < this.#settings.multiplier ? asked : this.#settings.multiplier);
  }

  quote(symbol: string, at: Instant): Quote | null {
    return this.#settings.marketData.quoteAt(symbol, at);
  }

  /**
   * Buying power that an open order holds: of the part that would open a position. Exits of a group hold nothing, and
   * of an order and its replacement the larger one does.
   */
  hold(order: TwinOrder, at: Instant): Decimal {
    if (order.parentId !== null || order.orderClass === 'oco') return zero;
    const own = this.#ownHold(order, at);
    if (order.replaces !== null && order.status === 'accepted' && order.nextPhaseAt === null) {
      const old = this.#state.orderById(order.replaces);
      if (old?.status === 'pending_replace') {
        const more = own.minus(this.#ownHold(old, at));
        return more.gt(zero) ? more : zero;
      }
    }
    return own;
  }

  #ownHold(order: TwinOrder, at: Instant): Decimal {
    const remaining = remainingQty(order);
    const opening = remaining.minus(closingQty(this.#state.position(order.symbol).qty, order.side, remaining));
    const { facts, sessions } = this.#settings;
    const price = openingPrice(
      { side: order.side, limitPrice: effectiveLimit(order), stopPrice: order.stopPrice },
      { quote: this.quote(order.symbol, at), phase: sessions.isOpen(at, false) ? 'core' : 'extended', facts },
    );
    return price === null ? zero : price.times(opening);
  }
}

const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), zero);
