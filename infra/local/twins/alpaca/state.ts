import { DatabaseSync } from 'node:sqlite';
import { decimal, decimalText, zero } from '@torghut/domain';
import type { Decimal, Instant, NewYorkDate } from '@torghut/domain';
import { isTerminal } from './order.ts';
import type { TwinFill, TwinOrder } from './order.ts';
import type { Position } from './position.ts';

export interface AccountConfiguration {
  readonly suspendTrade: boolean;
  readonly noShorting: boolean;
  readonly fractionalTrading: boolean;
  readonly maxMarginMultiplier: '1' | '2' | '4';
  readonly tradeConfirmEmail: 'all' | 'none';
  readonly maxOptionsTradingLevel: number | null;
  readonly disableOvernightTrading: boolean;
  readonly ptpNoExceptionEntry: boolean;
}

/** What the broker may do to an account. */
export interface AccountFlags {
  readonly status: string;
  readonly tradingBlocked: boolean;
  readonly accountBlocked: boolean;
  readonly transfersBlocked: boolean;
  /** Only orders that reduce a position are taken. */
  readonly closingOnly: boolean;
}

export interface TwinAccount {
  readonly cash: Decimal;
  readonly lastEquity: Decimal;
  /** The last session close that was seen; `null` before the first. */
  readonly lastCloseAt: Instant | null;
  /** Up to when the whole account was brought. */
  readonly advancedTo: Instant;
  readonly configuration: AccountConfiguration;
  readonly flags: AccountFlags;
  /** Trade dates whose fees are not posted yet. */
  readonly unpostedFees: readonly NewYorkDate[];
}

/** An account on its first day. */
export const newAccount = (
  cash: Decimal,
  at: Instant,
  maxMarginMultiplier: AccountConfiguration['maxMarginMultiplier'] = '4',
  noShorting = false,
): TwinAccount => ({
  cash,
  lastEquity: cash,
  lastCloseAt: null,
  advancedTo: at,
  configuration: {
    suspendTrade: false,
    noShorting,
    fractionalTrading: true,
    maxMarginMultiplier,
    tradeConfirmEmail: 'all',
    maxOptionsTradingLevel: 0,
    disableOvernightTrading: false,
    ptpNoExceptionEntry: false,
  },
  flags: {
    status: 'ACTIVE',
    tradingBlocked: false,
    accountBlocked: false,
    transfersBlocked: false,
    closingOnly: false,
  },
  unpostedFees: [],
});

/** An account activity as the list shows it. */
export interface TwinActivity {
  readonly id: string;
  /** What `date`, `after` and `until` filter on. */
  readonly createdAt: Instant;
  readonly type: string;
  readonly orderId: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What the twin did to orders, in the order it did it: the truth that tests count. */
export interface OrderEffect {
  readonly at: Instant;
  readonly effect:
    | 'accepted'
    | 'duplicate_refused'
    | 'refused'
    | 'cancel_requested'
    | 'replace_requested'
    | 'filled'
    | 'canceled'
    | 'expired'
    | 'rejected'
    | 'replaced'
    | 'busted'
    | 'corrected'
    | 'status_set';
  readonly clientOrderId: string;
  /** `null` for an order that was refused. */
  readonly orderId: string | null;
  /** Quantity at price of a fill, or the message of a refusal. */
  readonly detail: string;
}

const schema = `CREATE TABLE IF NOT EXISTS documents (
  kind TEXT NOT NULL, key TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID`;

type Kind = 'account' | 'order' | 'fill' | 'position' | 'activity' | 'effect';

/**
 * The twin's books: in memory, and every change written through to a file when there is one, so that what was answered
 * survives the death of the process.
 */
export class TwinState {
  readonly #file: BookFile | null;
  readonly #orders: TwinOrder[] = [];
  readonly #byId = new Map<string, number>();
  readonly #byClientOrderId = new Map<string, string>();
  readonly #open = new Map<string, TwinOrder>();
  /** Every version of every order, for lists that lag behind. */
  readonly #versions = new Map<string, TwinOrder[]>();
  readonly #fills: TwinFill[] = [];
  readonly #fillIndex = new Map<string, number>();
  readonly #positions = new Map<string, Position>();
  readonly #activities: TwinActivity[] = [];
  readonly #effects: OrderEffect[] = [];
  #account: TwinAccount;

  constructor(file: string, initial: TwinAccount) {
    this.#file = file === ':memory:' ? null : new BookFile(file);
    this.#account = this.#file?.read<TwinAccount>('account')[0] ?? initial;
    for (const order of this.#file?.read<TwinOrder>('order') ?? []) this.#index(order);
    for (const fill of this.#file?.read<TwinFill>('fill') ?? []) {
      this.#fillIndex.set(fill.id, this.#fills.length);
      this.#fills.push(fill);
    }
    for (const position of this.#file?.read<Position>('position') ?? []) this.#positions.set(position.symbol, position);
    this.#activities.push(...(this.#file?.read<TwinActivity>('activity') ?? []));
    this.#effects.push(...(this.#file?.read<OrderEffect>('effect') ?? []));
    this.#file?.write('account', 'one', this.#account);
  }

  /** Runs `work` so that all of it survives, or nothing. */
  transaction<T>(work: () => T): T {
    return this.#file === null ? work() : this.#file.transaction(work);
  }

  close(): void {
    this.#file?.close();
  }

  nextSeq(): number {
    return this.#orders.length + 1;
  }

  saveOrder(order: TwinOrder): void {
    this.#index(order);
    this.#file?.write('order', sequence(order.seq), order);
  }

  orderById(id: string): TwinOrder | null {
    const index = this.#byId.get(id);
    return index === undefined ? null : (this.#orders[index] ?? null);
  }

  /** The newest order under a client order id. */
  orderByClientOrderId(clientOrderId: string): TwinOrder | null {
    return this.orderById(this.#byClientOrderId.get(clientOrderId) ?? '');
  }

  /** Orders that are not terminal, oldest first. */
  openOrders(): TwinOrder[] {
    return [...this.#open.values()];
  }

  /** The same without a copy: nothing may be saved on the way. */
  eachOpenOrder(): Iterable<TwinOrder> {
    return this.#open.values();
  }

  /** Legs of an order, in the order they were made. */
  legsOf(parentId: string): TwinOrder[] {
    return this.#orders.filter((order) => order.parentId === parentId);
  }

  /** Every order, oldest first. */
  orders(): readonly TwinOrder[] {
    return this.#orders;
  }

  /** Every order as it was at a moment, oldest first; those that came later are not there. */
  ordersAsOf(at: Instant): TwinOrder[] {
    return this.#orders.flatMap(({ id }) => this.#versions.get(id)?.findLast(({ updatedAt }) => updatedAt <= at) ?? []);
  }

  saveFill(fill: TwinFill): void {
    const index = this.#fillIndex.get(fill.id) ?? this.#fills.length;
    this.#fills[index] = fill;
    this.#fillIndex.set(fill.id, index);
    this.#file?.write('fill', sequence(index), fill);
  }

  /** Every fill in the order it was booked. */
  fills(): readonly TwinFill[] {
    return this.#fills;
  }

  position(symbol: string): Position {
    return this.#positions.get(symbol) ?? { symbol, qty: zero, avgEntryPrice: zero };
  }

  /** Positions that are not flat, by symbol. */
  positions(): Position[] {
    return [...this.#positions.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  /** A flat position disappears. */
  savePosition(position: Position): void {
    if (position.qty.eq(zero)) {
      this.#positions.delete(position.symbol);
      this.#file?.remove('position', position.symbol);
    } else {
      this.#positions.set(position.symbol, position);
      this.#file?.write('position', position.symbol, position);
    }
  }

  account(): TwinAccount {
    return this.#account;
  }

  saveAccount(change: Partial<TwinAccount>): void {
    this.#account = { ...this.#account, ...change };
    this.#file?.write('account', 'one', this.#account);
  }

  addActivity(activity: TwinActivity): void {
    this.#activities.push(activity);
    this.#file?.write('activity', sequence(this.#activities.length), activity);
  }

  /** Every activity in the order it was booked. */
  activities(): readonly TwinActivity[] {
    return this.#activities;
  }

  addEffect(effect: OrderEffect): void {
    this.#effects.push(effect);
    this.#file?.write('effect', sequence(this.#effects.length), effect);
  }

  effects(): readonly OrderEffect[] {
    return this.#effects;
  }

  #index(order: TwinOrder): void {
    const known = this.#byId.get(order.id);
    if (known === undefined) {
      this.#byId.set(order.id, this.#orders.length);
      this.#orders.push(order);
      this.#byClientOrderId.set(order.clientOrderId, order.id);
      this.#versions.set(order.id, [order]);
    } else {
      this.#orders[known] = order;
      this.#versions.get(order.id)?.push(order);
    }
    if (isTerminal(order)) this.#open.delete(order.id);
    else this.#open.set(order.id, order);
  }
}

/** Keys sort as numbers do. */
const sequence = (value: number): string => String(value).padStart(12, '0');

/** Fields that hold decimals; in the file they are text like any other. */
const decimalFields: ReadonlySet<string> = new Set([
  'qty',
  'notional',
  'limitPrice',
  'stopPrice',
  'trailPrice',
  'trailPercent',
  'highWaterMark',
  'filledQty',
  'filledValue',
  'price',
  'cumQty',
  'leavesQty',
  'positionQty',
  'avgEntryPrice',
  'cash',
  'lastEquity',
]);

/** Documents by kind and key in SQLite. */
class BookFile {
  readonly #database: DatabaseSync;
  readonly #statements;

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    // A killed process loses nothing that was committed; only a power failure could, and a twin need not survive one.
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;');
    this.#database.exec(schema);
    this.#statements = {
      write: this.#database.prepare('INSERT OR REPLACE INTO documents VALUES (?, ?, ?)'),
      remove: this.#database.prepare('DELETE FROM documents WHERE kind = ? AND key = ?'),
      read: this.#database.prepare('SELECT document FROM documents WHERE kind = ? ORDER BY key'),
    };
  }

  transaction<T>(work: () => T): T {
    if (this.#database.isTransaction) return work();
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  write(kind: Kind, key: string, value: unknown): void {
    this.#statements.write.run(kind, key, JSON.stringify(value, asText));
  }

  remove(kind: Kind, key: string): void {
    this.#statements.remove.run(kind, key);
  }

  read<T>(kind: Kind): T[] {
    // The body of an activity is an answer: its numbers are text.
    const revive = kind === 'activity' ? undefined : asDecimal;
    return this.#statements.read.all(kind).map(({ document }) => JSON.parse(String(document), revive) as T);
  }

  close(): void {
    this.#database.close();
  }
}

/** Decimals as plain text, without the exponent that their own form has. */
function asText(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const original = this[key];
  return original instanceof zero.constructor ? decimalText(original as Decimal) : value;
}

const asDecimal = (key: string, value: unknown): unknown =>
  decimalFields.has(key) && typeof value === 'string' ? decimal(value) : value;
