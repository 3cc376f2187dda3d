import { DatabaseSync } from 'node:sqlite';
import type { SQLInputValue } from 'node:sqlite';
import { decimal, decimalText, zero } from '@torghut/domain';
import type { Decimal, Instant, Side } from '@torghut/domain';
import type { Position } from './position.ts';

export interface TwinOrder {
  /** Order of arrival, from 1. */
  readonly seq: number;
  readonly id: string;
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly type: 'market' | 'limit';
  readonly timeInForce: 'day' | 'gtc';
  readonly qty: Decimal;
  readonly limitPrice: Decimal | null;
  readonly submittedAt: Instant;
  /** When the session it is meant for opens. */
  readonly opensAt: Instant;
  /** When its life ends unfilled. */
  readonly expiresAt: Instant;
  readonly status: TwinOrderStatus;
  readonly filledQty: Decimal;
  /** Sum of price times quantity over its fills. */
  readonly filledValue: Decimal;
  readonly updatedAt: Instant;
  readonly filledAt: Instant | null;
  /** When it was canceled, or when a requested cancel takes effect. */
  readonly canceledAt: Instant | null;
  readonly expiredAt: Instant | null;
  /** Up to when it was matched; `null` before the first time. */
  readonly matchedTo: Instant | null;
}

export const openStatuses = ['accepted', 'pending_new', 'new', 'partially_filled', 'pending_cancel'] as const;
export const terminalStatuses = ['filled', 'canceled', 'expired'] as const;
export type TwinOrderStatus = (typeof openStatuses)[number] | (typeof terminalStatuses)[number];

/** Whether the order's life has ended. */
export const isTerminal = (order: TwinOrder): boolean => (terminalStatuses as readonly string[]).includes(order.status);

export interface TwinFill {
  readonly id: string;
  readonly orderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly at: Instant;
  readonly price: Decimal;
  readonly qty: Decimal;
  readonly cumQty: Decimal;
  readonly leavesQty: Decimal;
}

export interface TwinAccount {
  readonly cash: Decimal;
  readonly lastEquity: Decimal;
  /** The last session close that was seen; `null` before the first. */
  readonly lastCloseAt: Instant | null;
  readonly suspendTrade: boolean;
  /** Up to when the whole account was brought. */
  readonly advancedTo: Instant;
}

/** What the twin did to orders, in the order it did it: the truth that tests count. */
export interface OrderEffect {
  readonly at: Instant;
  readonly effect:
    'accepted' | 'duplicate_refused' | 'refused' | 'cancel_requested' | 'filled' | 'canceled' | 'expired';
  readonly clientOrderId: string;
  /** `null` for an order that was refused. */
  readonly orderId: string | null;
  /** Quantity at price of a fill, or the message of a refusal. */
  readonly detail: string;
}

const schema = `
  CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, client_order_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL,
    side TEXT NOT NULL, type TEXT NOT NULL, time_in_force TEXT NOT NULL, qty TEXT NOT NULL, limit_price TEXT,
    submitted_at INTEGER NOT NULL, opens_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, status TEXT NOT NULL,
    filled_qty TEXT NOT NULL, filled_value TEXT NOT NULL, updated_at INTEGER NOT NULL, filled_at INTEGER,
    canceled_at INTEGER, expired_at INTEGER, matched_to INTEGER) STRICT;
  CREATE INDEX IF NOT EXISTS orders_open ON orders (seq) WHERE status NOT IN ('filled', 'canceled', 'expired');
  CREATE TABLE IF NOT EXISTS fills (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL REFERENCES orders (id), symbol TEXT NOT NULL,
    side TEXT NOT NULL, at INTEGER NOT NULL, price TEXT NOT NULL, qty TEXT NOT NULL, cum_qty TEXT NOT NULL,
    leaves_qty TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS fills_at ON fills (at);
  CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, qty TEXT NOT NULL, avg_entry_price TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS account (
    one INTEGER PRIMARY KEY CHECK (one = 1), cash TEXT NOT NULL, last_equity TEXT NOT NULL, last_close_at INTEGER,
    suspend_trade INTEGER NOT NULL, advanced_to INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS effects (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, effect TEXT NOT NULL, client_order_id TEXT NOT NULL, order_id TEXT,
    detail TEXT NOT NULL) STRICT;
`;

type Row = Record<string, unknown>;

/** The twin's books in SQLite: `:memory:`, or a file that survives the death of the process. */
export class TwinState {
  readonly #database: DatabaseSync;

  constructor(file: string, startingCash: Decimal, startedAt: Instant) {
    this.#database = new DatabaseSync(file);
    // A killed process loses nothing that was committed; only a power failure could, and a twin need not survive one.
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;');
    this.#database.exec(schema);
    this.#run(
      `INSERT INTO account VALUES (1, ?, ?, NULL, 0, ?) ON CONFLICT DO NOTHING`,
      decimalText(startingCash),
      decimalText(startingCash),
      startedAt,
    );
  }

  /** Runs `work` as one transaction: all of it survives, or nothing. */
  transaction<T>(work: () => T): T {
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

  close(): void {
    this.#database.close();
  }

  nextSeq(): number {
    return Number(this.#all('SELECT coalesce(max(seq), 0) + 1 AS next FROM orders')[0]?.['next']);
  }

  saveOrder(order: TwinOrder): void {
    this.#run(
      'INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      order.seq,
      order.id,
      order.clientOrderId,
      order.symbol,
      order.side,
      order.type,
      order.timeInForce,
      decimalText(order.qty),
      order.limitPrice === null ? null : decimalText(order.limitPrice),
      order.submittedAt,
      order.opensAt,
      order.expiresAt,
      order.status,
      decimalText(order.filledQty),
      decimalText(order.filledValue),
      order.updatedAt,
      order.filledAt,
      order.canceledAt,
      order.expiredAt,
      order.matchedTo,
    );
  }

  orderById(id: string): TwinOrder | null {
    return this.#orders('WHERE id = ?', id)[0] ?? null;
  }

  orderByClientOrderId(clientOrderId: string): TwinOrder | null {
    return this.#orders('WHERE client_order_id = ?', clientOrderId)[0] ?? null;
  }

  /** Orders that are not terminal, oldest first. */
  openOrders(): TwinOrder[] {
    return this.#orders("WHERE status NOT IN ('filled', 'canceled', 'expired') ORDER BY seq");
  }

  /** Open orders that something may have happened to since they were last matched, oldest first. */
  ordersToMatch(now: Instant): TwinOrder[] {
    return this.#orders(
      `WHERE status NOT IN ('filled', 'canceled', 'expired')
         AND (status = 'pending_cancel' OR (max(submitted_at, opens_at) <= ?1 AND coalesce(matched_to, -1) < ?1))
       ORDER BY seq`,
      now,
    );
  }

  markMatched(now: Instant): void {
    this.#run(
      `UPDATE orders SET matched_to = ?1
       WHERE status NOT IN ('filled', 'canceled', 'expired')
         AND max(submitted_at, opens_at) <= ?1 AND coalesce(matched_to, -1) < ?1`,
      now,
    );
  }

  /** Every order, oldest first. */
  orders(): TwinOrder[] {
    return this.#orders('ORDER BY seq');
  }

  addFill(fill: TwinFill): void {
    this.#run(
      'INSERT INTO fills (id, order_id, symbol, side, at, price, qty, cum_qty, leaves_qty) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      fill.id,
      fill.orderId,
      fill.symbol,
      fill.side,
      fill.at,
      decimalText(fill.price),
      decimalText(fill.qty),
      decimalText(fill.cumQty),
      decimalText(fill.leavesQty),
    );
  }

  /** Fills with `after < at < until`, oldest first. */
  fills(after: Instant, until: Instant): TwinFill[] {
    return this.#all('SELECT * FROM fills WHERE at > ? AND at < ? ORDER BY at, seq', after, until).map((row) => ({
      id: row['id'] as string,
      orderId: row['order_id'] as string,
      symbol: row['symbol'] as string,
      side: row['side'] as Side,
      at: row['at'] as Instant,
      price: decimal(row['price'] as string),
      qty: decimal(row['qty'] as string),
      cumQty: decimal(row['cum_qty'] as string),
      leavesQty: decimal(row['leaves_qty'] as string),
    }));
  }

  position(symbol: string): Position {
    const row = this.#all('SELECT * FROM positions WHERE symbol = ?', symbol)[0];
    return row === undefined ? { symbol, qty: zero, avgEntryPrice: zero } : positionOf(row);
  }

  /** Positions that are not flat, by symbol. */
  positions(): Position[] {
    return this.#all('SELECT * FROM positions ORDER BY symbol').map(positionOf);
  }

  /** A flat position disappears. */
  savePosition(position: Position): void {
    if (position.qty.eq(zero)) this.#run('DELETE FROM positions WHERE symbol = ?', position.symbol);
    else {
      this.#run(
        'INSERT OR REPLACE INTO positions VALUES (?, ?, ?)',
        position.symbol,
        decimalText(position.qty),
        decimalText(position.avgEntryPrice),
      );
    }
  }

  account(): TwinAccount {
    const row = this.#all('SELECT * FROM account')[0] ?? {};
    return {
      cash: decimal(row['cash'] as string),
      lastEquity: decimal(row['last_equity'] as string),
      lastCloseAt: row['last_close_at'] as Instant | null,
      suspendTrade: row['suspend_trade'] === 1,
      advancedTo: row['advanced_to'] as Instant,
    };
  }

  saveAccount(account: TwinAccount): void {
    this.#run(
      'UPDATE account SET cash = ?, last_equity = ?, last_close_at = ?, suspend_trade = ?, advanced_to = ?',
      decimalText(account.cash),
      decimalText(account.lastEquity),
      account.lastCloseAt,
      account.suspendTrade ? 1 : 0,
      account.advancedTo,
    );
  }

  addEffect(effect: OrderEffect): void {
    this.#run(
      'INSERT INTO effects (at, effect, client_order_id, order_id, detail) VALUES (?, ?, ?, ?, ?)',
      effect.at,
      effect.effect,
      effect.clientOrderId,
      effect.orderId,
      effect.detail,
    );
  }

  effects(): OrderEffect[] {
    return this.#all('SELECT * FROM effects ORDER BY seq').map((row) => ({
      at: row['at'] as Instant,
      effect: row['effect'] as OrderEffect['effect'],
      clientOrderId: row['client_order_id'] as string,
      orderId: row['order_id'] as string | null,
      detail: row['detail'] as string,
    }));
  }

  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();

  #prepared(sql: string): ReturnType<DatabaseSync['prepare']> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #run(sql: string, ...values: readonly SQLInputValue[]): void {
    this.#prepared(sql).run(...values);
  }

  #all(sql: string, ...values: readonly SQLInputValue[]): Row[] {
    return this.#prepared(sql).all(...values);
  }

  #orders(clause: string, ...values: readonly SQLInputValue[]): TwinOrder[] {
    return this.#all(`SELECT * FROM orders ${clause}`, ...values).map(orderOf);
  }
}

const positionOf = (row: Row): Position => ({
  symbol: row['symbol'] as string,
  qty: decimal(row['qty'] as string),
  avgEntryPrice: decimal(row['avg_entry_price'] as string),
});

const orderOf = (row: Row): TwinOrder => ({
  seq: row['seq'] as number,
  id: row['id'] as string,
  clientOrderId: row['client_order_id'] as string,
  symbol: row['symbol'] as string,
  side: row['side'] as Side,
  type: row['type'] as TwinOrder['type'],
  timeInForce: row['time_in_force'] as TwinOrder['timeInForce'],
  qty: decimal(row['qty'] as string),
  limitPrice: row['limit_price'] === null ? null : decimal(row['limit_price'] as string),
  submittedAt: row['submitted_at'] as Instant,
  opensAt: row['opens_at'] as Instant,
  expiresAt: row['expires_at'] as Instant,
  status: row['status'] as TwinOrderStatus,
  filledQty: decimal(row['filled_qty'] as string),
  filledValue: decimal(row['filled_value'] as string),
  updatedAt: row['updated_at'] as Instant,
  filledAt: row['filled_at'] as Instant | null,
  canceledAt: row['canceled_at'] as Instant | null,
  expiredAt: row['expired_at'] as Instant | null,
  matchedTo: row['matched_to'] as Instant | null,
});
