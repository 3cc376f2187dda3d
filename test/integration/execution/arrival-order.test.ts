import {
  decimal,
  defaultLimits,
  hour,
  minute,
  parseInstant,
  second,
  toText,
  zero,
  type AccountLabel,
  type BrokerOrder,
  type FillActivity,
  type OrderLedger,
} from '@torghut/domain';
import { postgresOrderLedger } from '@torghut/platform';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countingTelemetry } from '../../support/counting-telemetry.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleRow, sampleRows } from '../../support/rows.ts';

const open = parseInstant('2026-02-13T14:30:00.000Z');
const at = (seconds: number): number => open + seconds * second;

interface Said {
  readonly order: number;
  readonly status: string;
  readonly filled: string;
  readonly price: string | null;
  readonly seconds: number;
}
/** What the broker says in a day of four orders of three shares, each word at its time. */
const words: readonly Said[] = [
  { order: 1, status: 'new', filled: '0', price: null, seconds: 1 },
  { order: 1, status: 'partially_filled', filled: '1', price: '100', seconds: 10 },
  { order: 1, status: 'filled', filled: '3', price: '100.2', seconds: 20 },
  { order: 2, status: 'new', filled: '0', price: null, seconds: 2 },
  { order: 2, status: 'pending_cancel', filled: '0', price: null, seconds: 30 },
  { order: 2, status: 'canceled', filled: '0', price: null, seconds: 31 },
  { order: 3, status: 'new', filled: '0', price: null, seconds: 3 },
  { order: 3, status: 'done_for_day', filled: '2', price: '101', seconds: 50 },
  { order: 3, status: 'expired', filled: '2', price: '101', seconds: 60 },
  { order: 4, status: 'new', filled: '0', price: null, seconds: 4 },
  { order: 4, status: 'filled', filled: '3', price: '99', seconds: 40 },
];
type Report = readonly [id: string, order: number, qty: string, price: string, seconds: number, corrects?: string];
/** Its executions: order 2 fills late, one of order 3 is busted, that of order 4 corrected twice. */
const reports: readonly Report[] = [
  ['a1', 1, '1', '100', 10],
  ['a2', 1, '2', '100.3', 20],
  ['b1', 2, '1', '100.1', 33],
  ['c1', 3, '1', '100.5', 45],
  ['c2', 3, '1', '101.5', 46],
  ['c2-bust', 3, '1', '101.5', 70, 'c2'],
  ['d1', 4, '3', '99', 40],
  ['d1-correct', 4, '3', '99.5', 80, 'd1'],
  ['d1-again', 4, '2', '99.7', 90, 'd1-correct'],
];
type Event = { readonly word: Said } | { readonly report: Report; readonly stream: boolean };
const events: readonly Event[] = [
  ...words.map((word): Event => ({ word })),
  ...reports.flatMap((report): Event[] => [
    { report, stream: false },
    { report, stream: true },
  ]),
];

const sides = { 1: 'buy', 2: 'buy', 3: 'sell', 4: 'sell' } as const;
const side = (order: number) => sides[order as keyof typeof sides];

const brokerOrder = ({ order, status, filled, price, seconds }: Said): BrokerOrder => ({
  id: `order-${order}`,
  clientOrderId: null,
  symbol: 'NVDA',
  side: side(order),
  type: 'limit',
  timeInForce: 'day',
  qty: decimal('3'),
  filledQty: decimal(filled),
  filledAvgPrice: price === null ? null : decimal(price),
  limitPrice: null,
  status,
  submittedAt: at(0),
  updatedAt: at(seconds),
  replaces: null,
  replacedBy: null,
  raw: { filled_qty: filled, filled_avg_price: price, updated_at: toText(at(seconds)), status },
});
const fillOf = ([id, order, qty, price, seconds, corrects]: Report, stream: boolean): FillActivity => ({
  id: stream ? id : `20260213093000000::${id}`,
  source: stream ? 'trade_updates' : 'activities',
  correction: corrects === undefined ? null : { kind: id.endsWith('bust') ? 'bust' : 'correct', of: corrects },
  orderId: `order-${order}`,
  symbol: 'NVDA',
  side: side(order),
  qty: decimal(qty),
  price: decimal(price),
  cumQty: decimal(qty),
  leavesQty: zero,
  transactionTime: at(seconds),
  raw: stream ? { order: { side: side(order) } } : { side: side(order) },
});

let database: TestDatabase;
let accounts = 0;
beforeAll(async () => {
  database = await testDatabase();
  for (const table of ['strategies', 'feature_contracts'] as const)
    await insertRow(database.app, table, sampleRows[table]);
});
afterAll(() => database.close());

/** A day of its own: the four orders as they were submitted, in an account of their own. */
const begin = async (): Promise<{
  account: AccountLabel;
  ledger: OrderLedger;
  runId: string;
  ids: readonly string[];
}> => {
  accounts += 1;
  const account = `day-${accounts}` as AccountLabel;
  const ledger = postgresOrderLedger(database.app, {
    account,
    limits: defaultLimits,
    telemetry: countingTelemetry().telemetry,
  });
  await insertRow(database.app, 'signal_windows', sampleRow('signal_windows', { account_label: account }));
  const ids: string[] = [];
  for (const order of [1, 2, 3, 4]) {
    const decision = `${String(accounts).padStart(8, '0')}-0000-8000-a000-00000000000${order}`;
    await insertRow(
      database.app,
      'trade_decisions',
      sampleRow('trade_decisions', {
        id: decision,
        account_label: account,
        decision_identity: `${account}-${order}`.padEnd(64, '0').replaceAll(/[^0-9a-f]/g, 'a'),
        event_ts: toText(open - order * second),
        action: side(order),
        qty: '3',
        reference_price: '100',
      }),
    );
    const { rows } = await database.app.query<{ id: string }>(
      `INSERT INTO executions (account_label, trade_decision_id, client_order_id, alpaca_order_id, attempt, symbol, side, order_type, time_in_force, submitted_qty,
         filled_qty, state, execution_expected_adapter, execution_actual_adapter, provenance_source, route_context, raw_order, last_broker_json, submitted_at, last_update_at)
       VALUES ($1, $2, $3, $4, 1, 'NVDA', $5, 'limit', 'day', 3, 0, 'acknowledged', 'lean', 'lean', 'route', '{}', '{}', '{"filled_qty": "0"}', $6, $6) RETURNING id`,
      [account, decision, `tg1-${order}`, `order-${order}`, side(order), toText(at(0))],
    );
    ids.push(rows[0]!.id);
  }
  return { account, ledger, runId: (await ledger.beginRun(at(0), at(0)))!, ids };
};

/** Everything that follows from the events, without the keys of rows, which differ from day to day. */
const outcome = async (account: AccountLabel) => {
  const rows = async (text: string) => (await database.readonly.query<object>(text, [account])).rows;
  return {
    executions: await rows(
      `SELECT alpaca_order_id, state, broker_status, filled_qty, avg_fill_price, last_broker_json, order_feed_last_event_ts FROM executions
        WHERE account_label = $1 ORDER BY 1`,
    ),
    fills: await rows(
      `SELECT alpaca_order_id, broker_execution_id, symbol, side, qty, price, executed_at FROM booked_fills WHERE account_label = $1 ORDER BY 2`,
    ),
    movements: await rows(
      `SELECT symbol, sum(signed_qty)::text AS qty, sum(signed_qty * price)::text AS notional FROM fill_movements WHERE account_label = $1 GROUP BY 1`,
    ),
    costs: await rows(
      `SELECT side, avg_fill_price, filled_qty, signed_qty, slippage_bps, shortfall_notional, churn_qty, decision_to_fill_ms
         FROM execution_tca_metrics WHERE account_label = $1 ORDER BY decision_to_fill_ms`,
    ),
    decisions: await rows(`SELECT status FROM trade_decisions WHERE account_label = $1 ORDER BY id`),
  };
};

const play = async (order: readonly Event[]): Promise<Awaited<ReturnType<typeof outcome>>> => {
  const { account, ledger, runId, ids } = await begin();
  for (const event of order) {
    if ('word' in event) await ledger.applyOrder(ids[event.word.order - 1]!, brokerOrder(event.word), runId, at(100));
    else await ledger.bookFills([fillOf(event.report, event.stream)], runId, at(100));
  }
  return outcome(account);
};

describe('a day of orders, fills, a bust and corrections', () => {
  it(
    '[E10] comes to the same rows in whatever order it arrives and however often',
    { timeout: 5 * minute },
    async () => {
      const expected = await play(events.toSorted((a, b) => secondsOf(a) - secondsOf(b)));
      expect(expected.executions).toMatchObject([
        { state: 'filled', filled_qty: '3.00000000', avg_fill_price: '100.20000000' },
        { state: 'partially_filled', filled_qty: '1.00000000' },
        { state: 'expired', filled_qty: '1.00000000', avg_fill_price: '100.50000000' },
        { state: 'filled', filled_qty: '2.00000000', avg_fill_price: '99.70000000' },
      ]);
      expect(expected.fills).toHaveLength(5);
      await fc.assert(
        fc.asyncProperty(
          fc.shuffledSubarray([...events], { minLength: events.length }),
          fc.array(fc.constantFrom(...events), { maxLength: 5 }),
          async (shuffled, again) => {
            expect(await play([...again, ...shuffled, ...again])).toEqual(expected);
          },
        ),
        { numRuns: 15, interruptAfterTimeLimit: hour },
      );
    },
  );
});

function secondsOf(event: Event): number {
  return 'word' in event ? event.word.seconds : event.report[4];
}
