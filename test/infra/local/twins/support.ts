import { parseInstant } from '@torghut/domain';
import type { Clock, DecimalText, Instant, OrderRequest, Ticker, WritePermit } from '@torghut/domain';
import type { AlpacaCredentials } from '@torghut/platform';
import type { MarketData, Quote } from '../../../../infra/local/twins/index.ts';

/** A Friday with a full session, 14:30 to 21:00 UTC. */
export const midSession = parseInstant('2026-02-13T15:04:05.000Z');

/** Time stands still until a test moves it; deadlines run in real time, a share of it once `impatient`. */
export class TestClock implements Clock {
  #now: Instant;
  #realShareOfDeadlines = 1;
  #sleepers: { readonly at: Instant; readonly wake: () => void }[] = [];

  constructor(now: Instant = midSession) {
    this.#now = now;
  }

  now(): Instant {
    return this.#now;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ at: this.#now + ms, wake });
    });
  }

  deadline(ms: number): AbortSignal {
    return AbortSignal.timeout(Math.ceil(ms * this.#realShareOfDeadlines));
  }

  /** From here on a 5 s deadline passes after 200 ms, unless another share of real time is given. */
  impatient(share = 0.04): void {
    this.#realShareOfDeadlines = share;
  }

  /** From here on deadlines are real again. */
  patient(): void {
    this.#realShareOfDeadlines = 1;
  }

  /** How many are waiting for time to pass. */
  sleeping(): number {
    return this.#sleepers.length;
  }

  advanceTo(at: Instant): void {
    this.#now = at;
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= at);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > at);
    for (const { wake } of due) wake();
  }

  advance(ms: number): void {
    this.advanceTo(this.#now + ms);
  }
}

/** Quotes of one test, by symbol and in the order of time. */
export const quotedMarket = (quotes: Readonly<Record<string, readonly Quote[]>>): MarketData => ({
  quoteAt: (symbol, at) => quotes[symbol]?.findLast((quote) => quote.at <= at) ?? null,
  quotesBetween: (symbol, after, until) =>
    (quotes[symbol] ?? []).filter((quote) => quote.at > after && quote.at <= until),
});

export const quote = (at: Instant, bid: DecimalText, ask: DecimalText): Quote => ({ at, bid, ask });

/** AAPL at 99.98 / 100.02 since before the session. */
export const steadyMarket = quotedMarket({
  AAPL: [quote(midSession - 3_600_000, '99.98', '100.02')],
  NVDA: [quote(midSession - 3_600_000, '49.99', '50.01')],
});

export const credentials: AlpacaCredentials = { keyId: 'PKTEST', secretKey: 'secret' };

export const permit: WritePermit = {
  receiptId: '7d0c7c0e-3f0b-4a39-9f0b-1f2f7b1c0a55',
  fencingToken: 1,
  correlationId: 'torghut-0123456789abcdef0123',
};

/** A limit buy that is marketable in the steady market unless changed. */
export const buyOrder = (change: Partial<OrderRequest> = {}): OrderRequest => ({
  clientOrderId: 'tg1-ffc6d06c4dd2b59669107a7b543081b1ba95e6382da549d7-1',
  symbol: 'AAPL' as Ticker,
  side: 'buy',
  qty: '2',
  type: 'limit',
  timeInForce: 'day',
  limitPrice: '100.02',
  stopPrice: null,
  ...change,
});
