import { decimal, decimalText, zero, type Decimal } from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import { isTerminal } from '../../infra/local/twins/alpaca/order.ts';
import type { TwinOrder } from '../../infra/local/twins/index.ts';
import { violations as contradictions } from '../support/invariants.ts';
import { basePrices, midAt, type MarketSymbol } from './market.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

/** What must hold in every run, by the name it is reported under. */
export const invariants = {
  one_effect: 'an intent has one order at the broker at most',
  no_order_while_stopped: 'no order reaches the broker under a stop that was committed before its write was begun',
  exposure_within_caps: 'what is held and may still be bought stays within the caps',
  consistent: 'the ledger agrees with itself and with what the venues know of themselves',
  fenced: 'only the holder of the newest fencing token of a write marks or settles it',
  absence_proved: 'a write is believed absent after three looks, the last of them five seconds after it',
  books_equal: 'cash and positions of the ledger are those of the broker',
  messages_settled: 'every message is settled, or a dead letter with a reason',
  terminates: 'a run comes to rest after its faults have ended',
} as const;
export type Invariant = keyof typeof invariants;

export interface Breach {
  readonly invariant: Invariant;
  readonly detail: string;
}

const isOpen = (order: TwinOrder): boolean => !isTerminal(order);
const identityOf = (clientOrderId: string): string => clientOrderId.replace(/-\d+$/, '');

const startingCash = decimal('100000');
const defaultGross = '1.0';
const defaultPositions = 10;
/** Prices move between the claim and the fill; the caps are in money. */
const priceTolerance = decimal('1.02');

/** Looks at the broker each time it may have acted. */
export class BrokerWatch {
  readonly #scenario: Scenario;
  readonly #app: Pool;
  /** Writes that had begun when the stop came into force; `null` while there is none. */
  #begunBeforeStop: ReadonlySet<string> | null = null;
  readonly #stops = new Set<string>();
  #seen = 0;
  #unforeseen = false;

  constructor(scenario: Scenario, app: Pool) {
    this.#scenario = scenario;
    this.#app = app;
  }

  /** A control has just been committed. */
  async controlled(world: World, control: string, engaged: boolean): Promise<void> {
    if (control !== 'kill_switch' && control !== 'emergency_stop') return;
    if (!engaged) this.#stops.delete(control);
    else {
      this.#stops.add(control);
      this.#begunBeforeStop ??= await this.#begun(world);
    }
    if (this.#stops.size === 0) this.#begunBeforeStop = null;
  }

  /** The broker did what no cap can hold: it took or filled an order that had ended before. */
  surprised(): void {
    this.#unforeseen = true;
  }

  /** What is wrong at the broker now. */
  look({ twins, scheduler }: World): readonly Breach[] {
    const orders = twins.alpaca.orders();
    const breaches: Breach[] = [];
    for (const order of orders.slice(this.#seen)) {
      if (this.#begunBeforeStop?.has(order.clientOrderId) === false)
        breaches.push({ invariant: 'no_order_while_stopped', detail: `${order.clientOrderId} was accepted` });
    }
    this.#seen = orders.length;
    const identities = new Set<string>();
    for (const { clientOrderId } of orders) {
      const identity = identityOf(clientOrderId);
      if (identities.has(identity)) breaches.push({ invariant: 'one_effect', detail: `${identity} has two orders` });
      identities.add(identity);
    }
    return this.#unforeseen ? breaches : [...breaches, ...this.#exposure(orders, scheduler.now())];
  }

  #exposure(orders: readonly TwinOrder[], now: number): readonly Breach[] {
    const { settings } = this.#scenario;
    let gross = zero;
    let engaged = 0;
    for (const symbol of Object.keys(basePrices) as MarketSymbol[]) {
      const price = decimal(midAt(symbol, now).toFixed(4));
      let held: Decimal = zero;
      let buying: Decimal = zero;
      for (const order of orders) {
        if (order.symbol !== symbol) continue;
        held = order.side === 'buy' ? held.plus(order.filledQty) : held.minus(order.filledQty);
        if (order.side === 'buy' && isOpen(order)) buying = buying.plus(order.qty).minus(order.filledQty);
      }
      const most = held.plus(buying).times(price);
      gross = gross.plus(most.lt(zero) ? most.times(decimal('-1')) : most);
      if (held.gt(zero) || buying.gt(zero)) engaged += 1;
      if (held.lt(zero))
        return [{ invariant: 'exposure_within_caps', detail: `${symbol} is short by ${decimalText(held)}` }];
    }
    const cap = startingCash.times(decimal(settings['TRADING_MAX_GROSS'] ?? defaultGross));
    const mostSymbols = Number(settings['TRADING_MAX_POSITIONS'] ?? defaultPositions);
    return [
      ...(gross.gt(cap.times(priceTolerance))
        ? [
            {
              invariant: 'exposure_within_caps',
              detail: `gross ${decimalText(gross)} above ${decimalText(cap)}`,
            } as const,
          ]
        : []),
      ...(engaged > mostSymbols
        ? [{ invariant: 'exposure_within_caps', detail: `${engaged} symbols, at most ${mostSymbols} allowed` } as const]
        : []),
    ];
  }

  async #begun({ account }: World): Promise<ReadonlySet<string>> {
    const { rows } = await this.#app.query<{ id: string }>(
      `SELECT client_order_id AS id FROM broker_receipts WHERE account_label = $1 AND operation = 'submit' AND io_at IS NOT NULL`,
      [account],
    );
    return new Set(rows.map(({ id }) => id));
  }
}

/** Whether nothing is on its way any more: at the venues, in the ledger and on the queues. */
export const isSettled = async (world: World, app: Pool): Promise<boolean> => {
  if (world.running() > 0 || world.queues.waiting() > 0) return false;
  if (world.twins.alpaca.orders().some(isOpen)) return false;
  const { rows } = await app.query<{ open: number }>(
    `SELECT (SELECT count(*) FROM broker_receipts WHERE account_label = $1 AND (state <> 'settled' OR outcome = 'unknown'))
       + (SELECT count(*) FROM trade_decisions WHERE account_label = $1 AND status IN ('planned', 'queued', 'submitted', 'unknown', 'partially_filled'))
       + (SELECT count(*) FROM executions WHERE account_label = $1 AND state NOT IN ('filled', 'canceled', 'expired', 'replaced', 'rejected', 'denied'))
       + (SELECT count(*) FROM outbox WHERE published_at IS NULL AND starts_with(group_key, $1 || ':')) AS open`,
    [world.account],
  );
  return Number(rows[0]?.open) === 0;
};

/** What is wrong once a run has come to rest. */
export const breachesAtRest = async (world: World, app: Pool): Promise<readonly Breach[]> => {
  const { account, twins, scheduler, queues } = world;
  const fills = twins.alpaca.fills();
  const found: Breach[] = (
    await contradictions(
      app,
      { orders: twins.alpaca.orders(), effects: twins.alpaca.log(), fills, leanSubmissions: twins.lean.log() },
      { now: scheduler.now(), settled: true, account },
    )
  ).map((detail) => ({ invariant: 'consistent', detail }));

  const snapshot = await app.query<{ cash: string; positions: { symbol: string; qty: string }[] }>(
    `SELECT cash::text AS cash, positions FROM position_snapshots WHERE account_label = $1 AND complete ORDER BY as_of DESC, created_at DESC LIMIT 1`,
    [account],
  );
  const booked = await app.query<{ symbol: string; qty: string; value: string }>(
    `SELECT a.symbol, sum(CASE a.side WHEN 'buy' THEN v.qty ELSE -v.qty END)::text AS qty,
            sum(CASE a.side WHEN 'buy' THEN v.qty * v.price ELSE -v.qty * v.price END)::text AS value
       FROM execution_order_events v JOIN executions a ON a.id = v.execution_id
      WHERE v.account_label = $1 AND v.event_type IN ('fill', 'partial_fill') GROUP BY 1`,
    [account],
  );
  let cash = startingCash;
  const positions = new Map<string, Decimal>();
  for (const { side, symbol, qty, price } of fills) {
    const signed = side === 'buy' ? qty : qty.times(decimal('-1'));
    cash = cash.minus(signed.times(price));
    positions.set(symbol, (positions.get(symbol) ?? zero).plus(signed));
  }
  let ledgerCash = startingCash;
  const ledgerPositions = new Map<string, Decimal>();
  for (const { symbol, qty, value } of booked.rows) {
    ledgerCash = ledgerCash.minus(decimal(value));
    ledgerPositions.set(symbol, decimal(qty));
  }
  const shown = snapshot.rows[0];
  const differs = (what: string, ours: Decimal, theirs: Decimal): void => {
    if (!ours.eq(theirs))
      found.push({ invariant: 'books_equal', detail: `${what}: ${decimalText(ours)}, broker ${decimalText(theirs)}` });
  };
  differs('booked cash', ledgerCash, cash);
  if (shown !== undefined) differs('cash of the snapshot', decimal(shown.cash), cash);
  for (const symbol of new Set([...positions.keys(), ...ledgerPositions.keys()])) {
    differs(`booked ${symbol}`, ledgerPositions.get(symbol) ?? zero, positions.get(symbol) ?? zero);
    const row = shown?.positions.find((position) => position.symbol === symbol);
    if (shown !== undefined)
      differs(`${symbol} of the snapshot`, decimal(row?.qty ?? '0'), positions.get(symbol) ?? zero);
  }

  const undecided = await app.query<{ id: string; status: string }>(
    `SELECT decision_identity AS id, status FROM trade_decisions WHERE account_label = $1 AND status IN ('planned', 'queued', 'unknown')`,
    [account],
  );
  for (const { id, status } of undecided.rows)
    found.push({ invariant: 'messages_settled', detail: `${id} is still ${status}` });
  const left = queues.waiting();
  if (left > 0) found.push({ invariant: 'messages_settled', detail: `${left} messages are left on the queues` });
  return found;
};
