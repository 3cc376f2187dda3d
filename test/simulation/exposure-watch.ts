import { decimal, decimalText, maxDecimal, zero, type Decimal, type Instant } from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import { isTerminal } from '../../infra/local/twins/alpaca/order.ts';
import type { Disturbance, TwinOrder } from '../../infra/local/twins/index.ts';
import type { Breach } from './invariants.ts';
import { midAt, type MarketSymbol } from './market.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

const defaultGross = '1.0';
const defaultPositions = 10;
/** Prices move between the claim and the arrival at the broker; the caps are in money. */
const priceTolerance = decimal('1.02');

/** What changes the holdings without an order of ours: nobody who read them before could foresee it. */
const surprising: ReadonlySet<Disturbance['kind']> = new Set([
  'late_fill',
  'overfill',
  'trade_bust',
  'trade_correct',
  'split',
  'merger',
  'shares_moved',
]);

/** An order that came to the broker although there was no room for it, as it seems. */
interface Suspicion {
  readonly order: TwinOrder;
  readonly at: Instant;
  readonly held: ReadonlySet<string>;
  readonly excess: Excess;
}

interface Excess {
  readonly of: 'money' | 'symbols' | 'shares';
  readonly detail: string;
}

/**
 * What is held and may still be bought by our orders stays within the caps, and nothing is sold that is not held: judged
 * by the broker's own books each time it takes an order, because nothing else of ours makes an exposure grow. An order is
 * answerable for what the account was when its claim last knew it: not for what others did since.
 */
export class ExposureWatch {
  readonly #scenario: Scenario;
  readonly #app: Pool;
  readonly #surprises: Instant[] = [];
  /** Orders that nobody could still expect: they count once they fill, as what somebody else did. */
  readonly #unexpected = new Set<string>();
  #suspicions: Suspicion[] = [];
  #hidesPositions = false;

  constructor(scenario: Scenario, app: Pool) {
    this.#scenario = scenario;
    this.#app = app;
  }

  disturbed(kind: Disturbance['kind'], at: Instant): void {
    if (surprising.has(kind)) this.#surprises.push(at);
    if (kind === 'positions_missing') this.#hidesPositions = true;
  }

  /** An order comes after it was proved absent. */
  unexpected(clientOrderId: string): void {
    this.#unexpected.add(clientOrderId);
  }

  /** An order has come to the broker. */
  arrived(order: TwinOrder, { twins, scheduler }: World): void {
    if (this.#unexpected.has(order.clientOrderId)) return;
    const { cash, positions } = twins.alpaca.holdings();
    const open = twins.alpaca.orders().filter((one) => this.#isExpected(one) && !isTerminal(one));
    const excess =
      order.side === 'buy'
        ? this.#tooMuch(order, open, { cash: decimal(cash), positions }, scheduler.now())
        : oversold(order, open, positions);
    if (excess !== null)
      this.#suspicions.push({ order, at: scheduler.now(), held: new Set(Object.keys(positions)), excess });
  }

  /** What no surprise explains of the orders that came since it was last asked. */
  async judge(world: World): Promise<readonly Breach[]> {
    const suspicions = this.#suspicions;
    this.#suspicions = [];
    const breaches: Breach[] = [];
    for (const one of suspicions)
      if (!(await this.#isExcused(one, world)))
        breaches.push({
          invariant: 'exposure_within_caps',
          detail: `${one.order.clientOrderId}: ${one.excess.detail}`,
        });
    return breaches;
  }

  #isExpected({ origin, clientOrderId }: TwinOrder): boolean {
    return origin === 'api' && !this.#unexpected.has(clientOrderId);
  }

  #tooMuch(
    order: TwinOrder,
    open: readonly TwinOrder[],
    { cash, positions }: { readonly cash: Decimal; readonly positions: Readonly<Record<string, string>> },
    now: Instant,
  ): Excess | null {
    const { settings } = this.#scenario;
    const held = (symbol: string): Decimal => decimal(positions[symbol] ?? '0');
    const buying = (symbol: string): Decimal => remaining(open, symbol, 'buy');
    // What covers a short is no exposure.
    if (held(order.symbol).plus(buying(order.symbol)).lte(zero)) return null;
    let equity = cash;
    let gross = zero;
    let engaged = 0;
    for (const symbol of new Set([...Object.keys(positions), ...open.map((one) => one.symbol), order.symbol])) {
      const price = decimal(midAt(symbol as MarketSymbol, now).toFixed(4));
      equity = equity.plus(held(symbol).times(price));
      gross = gross.plus(maxDecimal(held(symbol).abs(), held(symbol).plus(buying(symbol)).abs()).times(price));
      if (!held(symbol).eq(zero) || buying(symbol).gt(zero)) engaged += 1;
    }
    const cap = equity.times(decimal(settings['TRADING_MAX_GROSS'] ?? defaultGross));
    if (gross.gt(cap.times(priceTolerance)))
      return { of: 'money', detail: `gross ${decimalText(gross)} above ${decimalText(cap)}` };
    const most = Number(settings['TRADING_MAX_POSITIONS'] ?? defaultPositions);
    const wasEngaged =
      !held(order.symbol).minus(order.filledQty).eq(zero) ||
      open.some(({ id, symbol, side }) => id !== order.id && symbol === order.symbol && side === 'buy');
    return !wasEngaged && engaged > most
      ? { of: 'symbols', detail: `${engaged} symbols, at most ${most} allowed` }
      : null;
  }

  async #isExcused({ order, at, held, excess }: Suspicion, { account, twins }: World): Promise<boolean> {
    const { rows } = await this.#app.query<{ as_of: Instant; symbols: string[] }>(
      `SELECT known.as_of, ARRAY(SELECT p ->> 'symbol' FROM jsonb_array_elements(known.positions) AS p) AS symbols
         FROM broker_receipts r
         CROSS JOIN LATERAL (
           SELECT as_of, positions FROM position_snapshots s
            WHERE s.account_label = r.account_label AND s.complete AND s.as_of <= r.claimed_at AND s.created_at <= r.created_at
            ORDER BY s.as_of DESC, s.created_at DESC LIMIT 1) AS known
        WHERE r.account_label = $1 AND r.client_order_id = $2 AND r.operation = 'submit' AND r.io_at IS NOT NULL
        ORDER BY r.claimed_at LIMIT 1`,
      [account, order.clientOrderId],
    );
    const [known] = rows;
    if (known === undefined) return false;
    const symbols = new Set(known.symbols);
    if (this.#hidesPositions && [...held].some((symbol) => !symbols.has(symbol))) return true;
    // Whoever read it, with a clock that may be ahead.
    const knownAt = known.as_of - Math.max(0, ...Object.values(this.#scenario.aheadMs));
    const expected = new Set(twins.alpaca.orders().flatMap((one) => (this.#isExpected(one) ? [one.id] : [])));
    const foreignFills = twins.alpaca.fills().flatMap((fill) => (expected.has(fill.orderId) ? [] : [fill.at]));
    const isSince = (moment: Instant): boolean => moment >= knownAt && moment <= at;
    if ([...this.#surprises, ...foreignFills].some(isSince)) return true;
    // A symbol that is being bought may be bought more of; the order that was buying it has just ended.
    return (
      excess.of === 'symbols' &&
      twins.alpaca
        .orders()
        .some((one) => one.symbol === order.symbol && one.id !== order.id && isTerminal(one) && isSince(one.updatedAt))
    );
  }
}

const remaining = (open: readonly TwinOrder[], symbol: string, side: TwinOrder['side']): Decimal =>
  open.reduce(
    (sum, one) => (one.symbol === symbol && one.side === side ? sum.plus(one.qty).minus(one.filledQty) : sum),
    zero,
  );

/** Shares are sold once. */
const oversold = (
  { symbol }: TwinOrder,
  open: readonly TwinOrder[],
  positions: Readonly<Record<string, string>>,
): Excess | null => {
  const left = decimal(positions[symbol] ?? '0').minus(remaining(open, symbol, 'sell'));
  return left.lt(zero) ? { of: 'shares', detail: `${symbol} is sold ${decimalText(left.abs())} shares short` } : null;
};
