import { decimal, decimalText, deployment, zero, type Decimal } from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import { isTerminal } from '../../infra/local/twins/alpaca/order.ts';
import type { AlpacaTwin, TwinOrder } from '../../infra/local/twins/index.ts';
import { ExposureWatch } from './exposure-watch.ts';
import type { InjectedFault } from './faults.ts';
import { violations as contradictions } from '../support/invariants.ts';
import { poisonBodies, type Scenario } from './scenario.ts';
import { consumers, type World } from './world.ts';

/** What must hold in every run, by the name it is reported under. */
export const invariants = {
  one_effect: 'an intent has one order at the broker at most',
  no_order_while_stopped: 'no order reaches the broker under a stop that was committed before its write was begun',
  exposure_within_caps: 'what is held and may still be bought stays within the caps',
  consistent: 'the ledger agrees with itself and with what the venues know of themselves',
  fenced: 'only the holder of the newest fencing token of a write marks or settles it',
  effect_known: 'an order that the broker took is not called refused',
  absence_proved: 'a write is believed absent after three looks, the last of them five seconds after it',
  books_equal: 'cash and positions of the ledger are those of the broker',
  breaks_true: 'every break is a difference that there is',
  breaks_complete: 'no difference between the books is missed',
  reconciles: 'a reconciliation that nothing disturbs completes',
  operators_answered: 'what operators ask is answered, and the same when it is asked again',
  messages_settled: 'every message is settled, or a dead letter with a reason',
  terminates: 'a run comes to rest after its faults have ended',
} as const;
export type Invariant = keyof typeof invariants;

export interface Breach {
  readonly invariant: Invariant;
  readonly detail: string;
}

/** What people place by hand is nobody's intent here. */
const isOurs = ({ origin }: TwinOrder): boolean => origin === 'api';
/** Our orders, and those that took their place because somebody replaced them by hand. */
export const oursAndHeirs = (orders: readonly TwinOrder[]): readonly TwinOrder[] => {
  const ours = new Map<string, TwinOrder>();
  for (const order of orders) {
    const replaced = order.replaces === null ? undefined : ours.get(order.replaces);
    if (isOurs(order) || (replaced?.status === 'replaced' && replaced.replacedBy === order.id))
      ours.set(order.id, order);
  }
  return [...ours.values()];
};

const identityOf = (clientOrderId: string): string => clientOrderId.replace(/-\d+$/, '');

const startingCash = decimal('100000');

/** Looks at the broker each time it may have acted. */
export class BrokerWatch {
  readonly #app: Pool;
  /** Writes that had begun when the stop came into force; `null` while there is none. */
  #begunBeforeStop: ReadonlySet<string> | null = null;
  readonly #stops = new Set<string>();
  #seen = 0;
  readonly exposure: ExposureWatch;

  constructor(scenario: Scenario, app: Pool) {
    this.#app = app;
    this.exposure = new ExposureWatch(scenario, app);
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

  /** What is wrong at the broker now. */
  look(world: World): readonly Breach[] {
    const orders = world.twins.alpaca.orders().filter(isOurs);
    const breaches: Breach[] = [];
    for (const order of orders.slice(this.#seen)) {
      this.exposure.arrived(order, world);
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
    return breaches;
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
  if (oursAndHeirs(world.twins.alpaca.orders()).some((order) => !isTerminal(order))) return false;
  const { rows } = await app.query<{ open: number }>(
    `SELECT (SELECT count(*) FROM broker_receipts WHERE account_label = $1 AND (state <> 'settled' OR outcome = 'unknown'))
       + (SELECT count(*) FROM trade_decisions WHERE account_label = $1 AND status IN ('planned', 'queued', 'submitted', 'unknown', 'partially_filled'))
       + (SELECT count(*) FROM executions WHERE account_label = $1 AND state NOT IN ('filled', 'canceled', 'expired', 'replaced', 'rejected', 'denied'))
       + (SELECT count(*) FROM outbox WHERE published_at IS NULL AND starts_with(group_key, $1 || ':')) AS open`,
    [world.account],
  );
  return Number(rows[0]?.open) === 0;
};

/** A message that was given up must be one that nobody wrote, or have met with a fault as often as it was delivered. */
const deadLetterBreaches = ({ queues }: World, faults: readonly InjectedFault[]): readonly Breach[] =>
  queues.deadLetters().flatMap(({ queue, body }) => {
    if (poisonBodies.includes(body)) return [];
    const reasons = faults.filter(({ key }) => key.startsWith(consumers[queue]) || key.startsWith(`${queue}-batch`));
    return reasons.length >= deployment.queueReceiveCount
      ? []
      : [{ invariant: 'messages_settled', detail: `${queue} gave up ${body.slice(0, 200)}` }];
  });

/** What fills and other activities come to: cash, USD, and shares of each symbol. */
export const bookedAtBroker = ({
  fills,
  activities,
}: Pick<AlpacaTwin, 'fills' | 'activities'>): {
  readonly cash: Decimal;
  readonly positions: ReadonlyMap<string, Decimal>;
} => {
  let cash = startingCash;
  const positions = new Map<string, Decimal>();
  for (const { side, symbol, qty, price, state } of fills()) {
    if (state !== 'executed') continue;
    const signed = side === 'buy' ? qty : qty.times(decimal('-1'));
    cash = cash.minus(signed.times(price));
    positions.set(symbol, (positions.get(symbol) ?? zero).plus(signed));
  }
  for (const { type, body } of activities())
    if (type !== 'FILL' && typeof body['net_amount'] === 'string') cash = cash.plus(decimal(body['net_amount']));
  return { cash, positions };
};

/** What is wrong once a run has come to rest. */
export const breachesAtRest = async (
  world: World,
  app: Pool,
  faults: readonly InjectedFault[],
): Promise<readonly Breach[]> => {
  const { account, twins, scheduler, queues } = world;
  const fills = twins.alpaca.fills();
  const orders = oursAndHeirs(twins.alpaca.orders());
  const ids = new Set(orders.map(({ clientOrderId }) => clientOrderId));
  const effects = twins.alpaca.log().filter(({ clientOrderId }) => ids.has(clientOrderId));
  const found: Breach[] = (
    await contradictions(
      app,
      { orders, effects, fills, leanSubmissions: twins.lean.log() },
      { now: scheduler.now(), settled: true, account },
    )
  ).map((detail) => ({ invariant: 'consistent', detail }));

  // The last one kept: by the time of its reading, one by a clock that is ahead would be the newest for minutes.
  const snapshot = await app.query<{ cash: string; positions: { symbol: string; qty: string }[] }>(
    `SELECT cash::text AS cash, positions FROM position_snapshots WHERE account_label = $1 AND complete ORDER BY created_at DESC LIMIT 1`,
    [account],
  );
  const booked = await app.query<{ symbol: string; qty: string; value: string }>(
    `SELECT symbol, sum(signed_qty)::text AS qty, sum(signed_qty * price)::text AS value
       FROM fill_movements WHERE account_label = $1 GROUP BY 1`,
    [account],
  );
  const others = await app.query<{ net: string }>(
    `SELECT coalesce(sum(net_amount), 0)::text AS net FROM account_activities WHERE account_label = $1 AND activity_type <> 'FILL'`,
    [account],
  );
  const { cash, positions } = bookedAtBroker(twins.alpaca);
  let ledgerCash = startingCash.plus(decimal(others.rows[0]?.net ?? '0'));
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
  const holdings = twins.alpaca.holdings();
  if (shown !== undefined) differs('cash of the snapshot', decimal(shown.cash), decimal(holdings.cash));
  for (const symbol of new Set([...positions.keys(), ...ledgerPositions.keys()])) {
    differs(`booked ${symbol}`, ledgerPositions.get(symbol) ?? zero, positions.get(symbol) ?? zero);
    const row = shown?.positions.find((position) => position.symbol === symbol);
    if (shown !== undefined)
      differs(`${symbol} of the snapshot`, decimal(row?.qty ?? '0'), decimal(holdings.positions[symbol] ?? '0'));
  }

  found.push(...deadLetterBreaches(world, faults));
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
