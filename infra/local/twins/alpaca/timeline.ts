import type { Instant } from '@torghut/domain';
import type { AccountBook } from './account-book.ts';
import { feesPostedAt } from './activities.ts';
import type { OrderLife } from './life.ts';
import type { MarketData, Quote } from './market-data.ts';
import { isTerminal } from './order.ts';
import type { TwinOrder } from './order.ts';
import type { ProbeFacts } from './probe-facts.ts';
import type { Sessions } from './sessions.ts';
import type { TwinState } from './state.ts';

export interface TimelineSettings {
  readonly marketData: MarketData;
  readonly sessions: Sessions;
  readonly facts: ProbeFacts;
}

/** Something that happens at a moment without a quote. Of one moment the lower rank comes first. */
interface Timer {
  readonly at: Instant;
  readonly rank: number;
  readonly run: () => void;
}

/** The order in which things happen: what the market quoted, and what falls due without a quote. */
export class Timeline {
  readonly #settings: TimelineSettings;
  readonly #state: TwinState;
  readonly #life: OrderLife;
  readonly #account: AccountBook;
  readonly #scheduled: Timer[] = [];

  constructor(settings: TimelineSettings, state: TwinState, life: OrderLife, account: AccountBook) {
    this.#settings = settings;
    this.#state = state;
    this.#life = life;
    this.#account = account;
  }

  /** Lets something happen at a later moment, before anything else of that moment. */
  schedule(at: Instant, run: () => void): void {
    this.#scheduled.push({ at, rank: 0, run });
  }

  /**
   * Brings everything up to a moment: routing, fills, cancels, replacements, expiries, fees and the equity at each close. An
   * event that falls on the moment of a quote comes before it.
   */
  advance(until: Instant): void {
    const { advancedTo } = this.#state.account();
    const now = Math.max(until, advancedTo);
    if (now === advancedTo && (this.#nextTimer(now, advancedTo)?.at ?? Number.POSITIVE_INFINITY) > now) return;
    this.#state.transaction(() => {
      this.#run(advancedTo, now);
      if (now > advancedTo) this.#state.saveAccount({ advancedTo: now });
    });
  }

  #run(from: Instant, now: Instant): void {
    const quotes = now > from ? this.#quotesOfOpenOrders(from, now) : [];
    let next = 0;
    let closesSeen = from;
    for (;;) {
      const timer = this.#nextTimer(now, closesSeen);
      const quoted = quotes[next];
      if (timer !== null && (quoted === undefined || timer.at <= quoted.quote.at)) {
        timer.run();
        if (timer.rank === closeRank) closesSeen = timer.at;
      } else if (quoted !== undefined) {
        for (const order of this.#state.openOrders())
          if (order.symbol === quoted.symbol) this.#match(order.id, quoted.quote);
        next += 1;
      } else return;
    }
  }

  /** An order may have ended by what the quote did to an earlier one of its group. */
  #match(id: string, quote: Quote): void {
    const order = this.#state.orderById(id);
    if (order === null || isTerminal(order) || (order.liveAt !== null && quote.at <= order.liveAt)) return;
    this.#life.match(order, quote, quote.at);
  }

  #quotesOfOpenOrders(from: Instant, now: Instant): { readonly symbol: string; readonly quote: Quote }[] {
    const symbols = new Set(this.#state.openOrders().map(({ symbol }) => symbol));
    const quotes = [...symbols].flatMap((symbol) =>
      [...this.#settings.marketData.quotesBetween(symbol, from, now)].map((quote) => ({ symbol, quote })),
    );
    return symbols.size > 1 ? quotes.sort((a, b) => a.quote.at - b.quote.at) : quotes;
  }

  /** The first event up to `now`, or `null`. */
  #nextTimer(now: Instant, closesSeen: Instant): Timer | null {
    let first: Timer | null = null;
    const offer = (timer: Timer): void => {
      if (timer.at <= now && (first === null || comesBefore(timer, first))) first = timer;
    };
    const order = this.#nextOrderTimer(now);
    if (order !== null) offer(order);
    for (const scheduled of this.#scheduled) {
      offer({
        ...scheduled,
        run: () => {
          this.#scheduled.splice(this.#scheduled.indexOf(scheduled), 1);
          scheduled.run();
        },
      });
    }
    const { closeAt } = this.#settings.sessions.endingAfter(closesSeen);
    offer({
      at: closeAt,
      rank: closeRank,
      run: () => {
        this.#account.recordClose(closeAt);
      },
    });
    for (const date of this.#state.account().unpostedFees) {
      const at = feesPostedAt(date);
      offer({
        at,
        rank: closeRank + 1,
        run: () => {
          this.#account.postFees(date, at);
        },
      });
    }
    return first;
  }

  /** The first event of any open order: looked for often and among many orders, so without making anything on the way. */
  #nextOrderTimer(now: Instant): Timer | null {
    let at = Number.POSITIVE_INFINITY;
    let rank = 0;
    let order: TwinOrder | null = null;
    for (const open of this.#state.eachOpenOrder()) {
      const endsAt = endOf(open);
      if (endsAt <= now && (endsAt < at || (endsAt === at && endRank < rank)))
        [at, rank, order] = [endsAt, endRank, open];
      const { replaceAt, nextPhaseAt } = open;
      if (replaceAt !== null && replaceAt <= now && (replaceAt < at || (replaceAt === at && replaceRank < rank)))
        [at, rank, order] = [replaceAt, replaceRank, open];
      if (nextPhaseAt !== null && nextPhaseAt <= now && (nextPhaseAt < at || (nextPhaseAt === at && phaseRank < rank)))
        [at, rank, order] = [nextPhaseAt, phaseRank, open];
    }
    if (order === null) return null;
    const due: TwinOrder = order;
    return {
      at,
      rank,
      run: () => {
        if (rank === endRank) this.#life.end(due.id, this.#endStatusOf(due), at);
        else if (rank === replaceRank) this.#life.replace(due, at);
        else this.#life.nextPhase(due, at);
      },
    };
  }

  #endStatusOf({ cancelAt, expiresAt, timeInForce }: TwinOrder): 'canceled' | 'expired' {
    if (cancelAt !== null && cancelAt < expiresAt) return 'canceled';
    return timeInForce === 'gtc' ? 'canceled' : this.#settings.facts.dayOrderEnd;
  }
}

const [endRank, replaceRank, phaseRank] = [1, 2, 3];
/** After every order event of the same moment, so that what expired at the close no longer counts. */
const closeRank = 4;

const comesBefore = (first: Timer, second: Timer): boolean =>
  first.at < second.at || (first.at === second.at && first.rank < second.rank);

/** When an order ends without a fill; one whose cancel sticks never does. */
const endOf = ({ status, cancelAt, expiresAt }: TwinOrder): Instant => {
  if (cancelAt !== null) return Math.min(cancelAt, expiresAt);
  return status === 'pending_cancel' ? Number.POSITIVE_INFINITY : expiresAt;
};
