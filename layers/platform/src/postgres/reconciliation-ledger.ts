import {
  asTicker,
  decimal,
  executionIdOf,
  newYorkInstant,
  parseInstant,
  positionAfterFill,
  zero,
  type AccountActivity,
  type AccountLabel,
  type BreakType,
  type CashReading,
  type CurrentRows,
  type Decimal,
  type DecimalText,
  type Fill,
  type Instant,
  type LedgerBatch,
  type LedgerOrder,
  type LedgerPosition,
  type LedgerPositions,
  type LedgerRow,
  type NewYorkDate,
  type ReconciliationLedger,
  type ReconciliationMarks,
  type RunScope,
  type Side,
  type Telemetry,
} from '@torghut/domain';
import { recordBreak } from './break-store.ts';
import { calendarDay, type CalendarRow } from './calendar-store.ts';
import { lockAccount } from './account-lock.ts';
import { jsonText } from './json.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';
import { cashMoved } from './cash-moved.ts';
import { fillSlices } from './fill-slices.ts';
import { insertSnapshot } from './position-snapshots.ts';

export interface ReconciliationLedgerConfig {
  readonly account: AccountLabel;
  readonly telemetry: Pick<Telemetry, 'count'>;
}

/** Columns are named as the domain names them, so that a row is what it is read as. */
const comparedColumns = `e.symbol::text, e.side, e.state, e.submitted_qty AS "submittedQty", e.submitted_at AS "submittedAt",
  'unknown' NOT IN (e.execution_expected_adapter, e.execution_actual_adapter) AS "provenanceKnown",
  e.provenance_source = 'backfill' AS imported`;

/** An execution's id, whether a stream or an activity wrote it. */
const bare = (id: string): string => `substring(${id} FROM '[^:]*$')`;

/** Fills of one order as lines of text, equal when the fills are. */
const lines = (id: string, from: string): string =>
  `coalesce((SELECT string_agg(${id} || ' ' || trim_scale(qty) || ' ' || trim_scale(price), E'\\n' ORDER BY ${id} COLLATE "C") ${from}), '')`;

/** What an activity reports is replaced by a later one that cancels or corrects it. */
const reportedFills = `FROM account_activities a
  WHERE a.account_label = e.account_label AND a.order_id = e.alpaca_order_id AND a.activity_type = 'FILL'
    AND coalesce(a.raw ->> 'status', '') <> 'canceled'
    AND NOT EXISTS (SELECT FROM account_activities later WHERE later.account_label = a.account_label AND later.order_id = a.order_id
                      AND later.activity_type = 'FILL' AND (later.raw ->> 'previous_execution_id' = ${bare('a.activity_id')}
                        OR later.activity_id IN (a.activity_id || '#bust', a.activity_id || '#correct')))`;

/** Fills of the orders before one, however often it was replaced. */
const carriedQty = `coalesce((WITH RECURSIVE chain AS (
    SELECT e.replaces_id AS id UNION SELECT x.replaces_id FROM executions x JOIN chain ON x.id = chain.id
  ) SELECT sum(f.qty) FROM booked_fills f WHERE f.execution_id IN (SELECT id FROM chain)), 0)::text`;

const orderColumns = `e.alpaca_order_id AS "brokerOrderId", ${comparedColumns}, e.id AS "executionId", e.client_order_id AS "clientOrderId", ${carriedQty} AS carried,
  ${lines('broker_execution_id', 'FROM booked_fills b WHERE b.execution_id = e.id')} AS booked,
  ${lines(bare('activity_id'), reportedFills)} AS reported`;

/** Orders of one batch: read within a few milliseconds, and few enough that memory does not grow. */
const ordersPerBatch = 2_000;
const terminalStates = `('denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected')`;

/**
 * Both lists of fills are those of the first report; what busts and corrections made of them is looked at order by order.
 * A condition that the planner takes for rare would keep it from the index. An execution id ends behind the last colon.
 */
const bookedList = `SELECT v.alpaca_order_id::text AS id, split_part(v.broker_execution_id, ':', -1) AS fill, v.qty::numeric, v.price::numeric, true AS listed
  FROM execution_order_events v`;
const reportedList = `SELECT a.order_id::text AS id, split_part(a.activity_id, ':', -1) AS fill, a.qty::numeric, a.price::numeric, true AS listed
  FROM account_activities a`;
const isBooked = `v.account_label = $1 AND v.event_type IN ('fill', 'partial_fill')`;
const isReported = `a.account_label = $1 AND a.activity_type = 'FILL' AND coalesce(a.raw ->> 'previous_execution_id' = '', true)`;

/** Orders beside their fills: only full joins, which are never made row by row, whatever the planner expects. */
const ledgerRows = (
  orders: string,
  booked: string,
  reported: string,
): string => `SELECT id AS "brokerOrderId", symbol, side, state,
    "submittedQty", "submittedAt", "provenanceKnown", imported, fill AS "fillId", qty, price,
    CASE WHEN b.listed AND r.listed THEN 'both' WHEN b.listed THEN 'booked' WHEN r.listed THEN 'reported' END AS listed
  FROM (SELECT e.alpaca_order_id::text AS id, ${comparedColumns} FROM executions e WHERE e.account_label = $1 AND ${orders}) e
  FULL JOIN ((${bookedList} ${booked}) b FULL JOIN (${reportedList} ${reported}) r USING (id, fill, qty, price)) USING (id)`;

/** `$2` account's orders from, `$3` to; `$4` end of their fills. */
const spanStatement = ledgerRows(
  'e.submitted_at >= $2 AND e.submitted_at < $3',
  `WHERE ${isBooked} AND v.event_ts >= $2 AND v.event_ts < $4`,
  `WHERE ${isReported} AND a.activity_ts >= $2 AND a.activity_ts < $4`,
);

/** Orders before `$2` that are open, with the fills that the spans after it do not hold. */
const openBefore = `e.submitted_at < $2 AND e.state NOT IN ${terminalStates}`;
const openStatement = ledgerRows(
  openBefore,
  `JOIN executions e ON e.id = v.execution_id AND e.account_label = $1 AND ${openBefore} WHERE ${isBooked} AND v.event_ts < $2`,
  `JOIN executions e ON e.account_label = $1 AND e.alpaca_order_id = a.order_id AND ${openBefore} WHERE ${isReported} AND a.activity_ts < $2`,
);

/** Where a batch that begins at `$2` ends: as text, because microseconds count. */
const spanEndStatement = `SELECT submitted_at AS reach, submitted_at::text AS next FROM executions
  WHERE account_label = $1 AND submitted_at > $2 AND submitted_at < $3 ORDER BY submitted_at OFFSET ${ordersPerBatch} LIMIT 1`;

/** The next batch is on its way while one is worked on. */
async function* listOrders(
  pool: Pool,
  account: AccountLabel,
  from: Instant | null,
  until: Instant,
): AsyncGenerator<LedgerBatch> {
  const end = new Date(until).toISOString();
  const read = async (at: string): Promise<LedgerBatch & { readonly next: string | null }> => {
    const ends = await pool.query<{ reach: Instant; next: string }>(spanEndStatement, [account, at, end]);
    const { reach, next } = ends.rows[0] ?? { reach: null, next: null };
    const { rows } = await pool.query<LedgerRow>(spanStatement, [account, at, next ?? end, next ?? 'infinity']);
    return { rows, reach, next };
  };
  const begin = (at: string): ReturnType<typeof read> => {
    const batch = read(at);
    // Whoever gives up the list half-way waits for none of it.
    batch.catch(() => undefined);
    return batch;
  };
  if (from !== null) {
    const before = Math.min(from, until);
    const { rows } = await pool.query<LedgerRow>(openStatement, [account, new Date(before)]);
    yield { rows, reach: before };
  }
  let upcoming: ReturnType<typeof read> | null = begin(from === null ? '-infinity' : new Date(from).toISOString());
  while (upcoming !== null) {
    const { rows, reach, next }: Awaited<ReturnType<typeof read>> = await upcoming;
    upcoming = next === null ? null : begin(next);
    yield { rows, reach };
  }
}

/** Cash that all activities moved before a moment. */
const cashMovedBefore = (at: string): string => `(
  (SELECT coalesce(-sum(m.signed_qty * m.price), 0) FROM fill_movements m WHERE m.account_label = $1 AND m.moved_at < ${at})
  + (SELECT coalesce(sum(a.net_amount), 0) FROM account_activities a
      WHERE a.account_label = $1 AND a.activity_type <> 'FILL' AND a.activity_ts < ${at}))::text`;

/** Fills of a symbol that are followed one by one to know the average price of what is held. */
const averagedFills = 10_000;

interface Baseline {
  readonly symbol: string;
  readonly qty: DecimalText;
  readonly avg_entry_price: DecimalText | null;
  readonly as_of: Instant;
}

/**
 * Where the positions of a symbol are counted from: the last positions that agreed, or a later quantity that a person has
 * accepted. Without either from nothing, with the first fill.
 */
const readBaselines = async (
  client: Queryable,
  account: AccountLabel,
): Promise<{ readonly asOf: Instant | null; readonly bySymbol: ReadonlyMap<string, Baseline> }> => {
  const snapshot = await client.query<{ as_of: Instant; positions: Omit<Baseline, 'as_of'>[] }>(
    `SELECT as_of, positions FROM position_snapshots
      WHERE account_label = $1 AND kind = 'reconcile' AND complete ORDER BY as_of DESC LIMIT 1`,
    [account],
  );
  const [agreed] = snapshot.rows;
  const accepted = await client.query<Baseline>(
    `SELECT DISTINCT ON (symbol) symbol, theirs ->> 'qty' AS qty, theirs ->> 'avg_entry_price' AS avg_entry_price,
       (theirs ->> 'as_of')::timestamptz AS as_of
       FROM reconciliation_breaks
      WHERE account_label = $1 AND break_type = 'position_qty_mismatch' AND status = 'accepted'
        AND ($2::timestamptz IS NULL OR (theirs ->> 'as_of')::timestamptz > $2)
      ORDER BY symbol, (theirs ->> 'as_of')::timestamptz DESC`,
    [account, agreed === undefined ? null : new Date(agreed.as_of)],
  );
  const bySymbol = new Map<string, Baseline>();
  for (const position of agreed?.positions ?? [])
    bySymbol.set(position.symbol, { ...position, as_of: agreed?.as_of ?? 0 });
  for (const position of accepted.rows) bySymbol.set(position.symbol, position);
  return { asOf: agreed?.as_of ?? null, bySymbol };
};

/** Rows of a list of fills after the baseline of their symbol; `$2` and `$3` as `readPositions` gives them. */
const since = (list: string, at: string): string => `FROM ${list} AS f
  LEFT JOIN jsonb_to_recordset($3::jsonb) AS later (symbol text, as_of timestamptz) ON later.symbol = f.symbol
  WHERE f.account_label = $1 AND f.${at} > coalesce($2::timestamptz, '-infinity') AND (later.as_of IS NULL OR f.${at} > later.as_of)`;

/** What fills moved of one symbol: shares, and the cash they cost. */
interface Movements {
  readonly qty: Decimal;
  readonly cost: Decimal;
  readonly fills: number;
  readonly lastFillAt: Instant;
}
type MovementsSince = (
  asOf: Instant | null,
  later: readonly { readonly symbol: string; readonly as_of: Instant }[],
) => Promise<ReadonlyMap<string, Movements>>;

const movementsStatement = `SELECT f.symbol, sum(f.signed_qty)::text AS qty, sum(f.signed_qty * f.price)::text AS cost, count(*) AS fills,
  max(f.moved_at) AS "lastFillAt" ${since('fill_movements', 'moved_at')} AND f.moved_at <= $4 GROUP BY f.symbol`;

const movementsOnce = (client: Queryable, account: AccountLabel): MovementsSince => {
  const known = new Map<string, Promise<ReadonlyMap<string, Movements>>>();
  const read = async (asOf: Instant | null, later: string): Promise<ReadonlyMap<string, Movements>> => {
    const sums = new Map<string, Movements>();
    const after = asOf === null ? '-infinity' : new Date(asOf).toISOString();
    for await (const { from, until } of fillSlices(client, account, 'event_ts', after)) {
      const { rows } = await client.query<{
        readonly symbol: string;
        readonly qty: DecimalText;
        readonly cost: DecimalText;
        readonly fills: number;
        readonly lastFillAt: Instant;
      }>(movementsStatement, [account, from, later, until]);
      for (const { symbol, qty, cost, fills, lastFillAt } of rows) {
        const before = sums.get(symbol);
        sums.set(symbol, {
          qty: decimal(qty).plus(before?.qty ?? zero),
          cost: decimal(cost).plus(before?.cost ?? zero),
          fills: fills + (before?.fills ?? 0),
          lastFillAt,
        });
      }
    }
    return sums;
  };
  return (asOf, later) => {
    const rows = jsonText(later.map(({ symbol, as_of }) => ({ symbol, as_of: new Date(as_of) })));
    const key = `${asOf ?? ''} ${rows}`;
    const sums = known.get(key) ?? read(asOf, rows);
    known.set(key, sums);
    return sums;
  };
};

const readPositions = async (
  client: Queryable,
  account: AccountLabel,
  movements: MovementsSince,
): Promise<LedgerPositions> => {
  const { asOf, bySymbol } = await readBaselines(client, account);
  const values = [
    account,
    asOf === null ? null : new Date(asOf),
    jsonText([...bySymbol.values()].map(({ symbol, as_of }) => ({ symbol, as_of: new Date(as_of) }))),
  ];
  const sumOf = await movements(asOf, [...bySymbol.values()]);
  const opening = (symbol: string) => {
    const baseline = bySymbol.get(symbol);
    const average = baseline?.avg_entry_price ?? null;
    return {
      qty: decimal(baseline?.qty ?? '0'),
      averageEntry: baseline === undefined ? zero : average === null ? null : decimal(average),
    };
  };
  const held = (symbol: string): Decimal => opening(symbol).qty.plus(sumOf.get(symbol)?.qty ?? zero);
  const followed = [...sumOf].flatMap(([symbol, { fills }]) =>
    fills <= averagedFills && !held(symbol).eq(zero) ? [symbol] : [],
  );
  const fills = await client.query<{ symbol: string; side: Side; qty: DecimalText; price: DecimalText }>(
    `SELECT f.symbol, f.side, f.qty, f.price ${since('booked_fills', 'executed_at')} AND f.symbol = ANY($4)
      ORDER BY f.executed_at, f.broker_execution_id`,
    [...values, followed],
  );
  const averages = new Map(followed.map((symbol) => [symbol, opening(symbol)]));
  for (const { symbol, side, qty, price } of fills.rows) {
    const before = averages.get(symbol);
    if (before !== undefined)
      averages.set(symbol, positionAfterFill(before, { side, qty: decimal(qty), price: decimal(price) }));
  }
  const positions = [...new Set([...bySymbol.keys(), ...sumOf.keys()])].map((symbol): LedgerPosition => {
    const sum = sumOf.get(symbol);
    return {
      symbol,
      qty: held(symbol),
      averageEntry: sum === undefined ? opening(symbol).averageEntry : (averages.get(symbol)?.averageEntry ?? null),
      lastFillAt: sum?.lastFillAt ?? null,
      countedFrom: bySymbol.get(symbol)?.as_of ?? asOf,
    };
  });
  return { positions, agreedAt: asOf };
};

const storedActivity = (activity: AccountActivity, account: AccountLabel) => ({
  account_label: account,
  activity_id: activity.id.slice(0, 128),
  activity_type: activity.type.slice(0, 128),
  sub_type: activity.subType?.slice(0, 128) ?? null,
  status: activity.status?.slice(0, 128) ?? null,
  activity_ts: new Date(activity.at),
  symbol: activity.symbol?.slice(0, 32) ?? null,
  qty: activity.qty,
  price: activity.price,
  // What was canceled before it was first seen moved nothing.
  net_amount: activity.status === 'canceled' ? zero : activity.netAmount,
  raw: activity.raw,
});

/**
 * Stores activities once. The broker may cancel or correct one under its old id: the change is a row of its own that says
 * what it adds to the cash of the rows before, because what was stored is never rewritten.
 */
const saveActivities = async (
  client: Queryable,
  account: AccountLabel,
  activities: readonly AccountActivity[],
): Promise<readonly AccountActivity[]> => {
  const rows = jsonText(activities.map((activity) => storedActivity(activity, account)));
  const record = `jsonb_to_recordset($1::jsonb) AS r(account_label text, activity_id text, activity_type text, sub_type text, status text,
    activity_ts timestamptz, symbol text, qty numeric, price numeric, net_amount numeric, raw jsonb)`;
  const columns = `account_label, activity_id, activity_type, sub_type, status, activity_ts, symbol, qty, price, net_amount, raw`;
  const inserted = await client.query<{ activity_id: string }>(
    `INSERT INTO account_activities (${columns}) SELECT ${columns} FROM ${record} ON CONFLICT DO NOTHING RETURNING activity_id`,
    [rows],
  );
  await client.query(
    `INSERT INTO account_activities (${columns})
     SELECT r.account_label, left(r.activity_id, 90) || '#' || r.status || '#' || coalesce(trim_scale(r.net_amount)::text, ''), r.activity_type,
       r.sub_type, r.status, r.activity_ts, r.symbol, r.qty, r.price, coalesce(r.net_amount, 0) - known.net_amount, r.raw
       FROM ${record}
       JOIN account_activities first ON first.account_label = r.account_label AND first.activity_id = r.activity_id
         AND first.status IS DISTINCT FROM r.status
       CROSS JOIN LATERAL (SELECT coalesce(sum(net_amount), 0) AS net_amount FROM account_activities change
                            WHERE change.account_label = r.account_label
                              AND (change.activity_id = r.activity_id OR change.activity_id LIKE left(r.activity_id, 90) || '#%')) known
      WHERE r.status IN ('correct', 'canceled')
     ON CONFLICT DO NOTHING`,
    [rows],
  );
  const news = new Set(inserted.rows.map(({ activity_id: id }) => id));
  return activities.filter(({ id }) => news.has(id.slice(0, 128)));
};

/** A stored activity; amounts are text. */
type ActivityRow = Omit<AccountActivity, 'qty' | 'price' | 'netAmount'> &
  Readonly<Record<'qty' | 'price' | 'netAmount', DecimalText | null>>;

const accountActivity = ({ qty, price, netAmount, ...row }: ActivityRow): AccountActivity => {
  const amount = (text: DecimalText | null): Decimal | null => (text === null ? null : decimal(text));
  return { ...row, qty: amount(qty), price: amount(price), netAmount: amount(netAmount) };
};

interface RunRow {
  readonly nightly_at: Instant | null;
  readonly completed_at: Instant | null;
  readonly fees_posted: boolean;
  readonly sessions: readonly NewYorkDate[];
  readonly agreed: { readonly cash: string; readonly net: string; readonly as_of: string } | null;
  readonly accepted: { readonly cash: string; readonly net: string; readonly as_of: string } | null;
  readonly begun: { readonly cash: string; readonly net: string; readonly as_of: string } | null;
}

const marksStatement = `SELECT
  (SELECT max(scheduled_for) FROM reconciliation_runs WHERE account_label = $1 AND scope = 'nightly' AND status = 'completed') AS nightly_at,
  (SELECT max(scheduled_for) FROM reconciliation_runs
    WHERE account_label = $1 AND scope IN ('nightly', 'positions') AND status = 'completed') AS completed_at,
  EXISTS (SELECT FROM account_activities WHERE account_label = $1 AND activity_type = 'FEE') AS fees_posted,
  ARRAY(SELECT session_date::text FROM (SELECT session_date FROM market_calendar WHERE kind <> 'closed' AND close_at < $2
                                         ORDER BY session_date DESC LIMIT 15) AS newest ORDER BY session_date) AS sessions,
  (SELECT json_build_object('cash', facts ->> 'opening_cash', 'net', facts ->> 'opening_activities_net', 'as_of', facts ->> 'opened_at')
     FROM (SELECT sources #> '{cash,facts}' AS facts, scheduled_for FROM reconciliation_runs
            WHERE account_label = $1 AND scope = 'nightly' AND status = 'completed' ORDER BY scheduled_for DESC LIMIT 1) AS newest
    WHERE facts IS NOT NULL) AS agreed,
  (SELECT json_build_object('cash', theirs ->> 'cash', 'net', theirs ->> 'activities_net', 'as_of', theirs ->> 'as_of')
     FROM reconciliation_breaks WHERE account_label = $1 AND break_type = 'cash_mismatch' AND status = 'accepted'
    ORDER BY theirs ->> 'as_of' DESC LIMIT 1) AS accepted,
  (SELECT json_build_object('cash', cash::text, 'as_of', to_char(as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'net',
            ${cashMovedBefore('s.as_of')})
     FROM position_snapshots s WHERE account_label = $1 AND kind = 'day_start' AND complete ORDER BY as_of LIMIT 1) AS begun`;

/** The newest of what a run agreed on and what a person accepted; before either, the first day that was begun. */
const openingOf = ({ agreed, accepted, begun }: RunRow): CashReading | null => {
  const newest =
    agreed === null || (accepted !== null && accepted.as_of > agreed.as_of) ? (accepted ?? agreed) : agreed;
  const opening = newest ?? begun;
  return opening === null
    ? null
    : { cash: decimal(opening.cash), activitiesNet: decimal(opening.net), asOf: parseInstant(opening.as_of) };
};

const orderOf = async (
  client: Queryable,
  account: AccountLabel,
  brokerOrderId: string,
  clientOrderId: string | null,
): Promise<LedgerOrder | null> => {
  const { rows } = await client.query<LedgerOrder>(
    `SELECT ${orderColumns} FROM executions e
      WHERE e.account_label = $1 AND (e.alpaca_order_id = $2 OR e.client_order_id = $3)
      ORDER BY e.alpaca_order_id = $2 DESC LIMIT 1`,
    [account, brokerOrderId, clientOrderId],
  );
  return rows[0] ?? null;
};

/** What the reconciliation reads and writes, in Postgres. It inserts no order and no fill. */
export const postgresReconciliationLedger = (
  pool: Pool,
  { account, telemetry }: ReconciliationLedgerConfig,
): ReconciliationLedger => {
  const currentRows = (client: Queryable, runId: string, now: Instant, written: BreakType[]): CurrentRows => {
    const movements = movementsOnce(client, account);
    return {
      order: (brokerOrderId, clientOrderId) => orderOf(client, account, brokerOrderId, clientOrderId),

      submitOf: async (clientOrderId) => {
        const { rows } = await client.query<{ open: boolean | null }>(
          `SELECT bool_or(state <> 'settled' OR outcome = 'unknown') AS open FROM broker_receipts
            WHERE account_label = $1 AND client_order_id = $2 AND operation = 'submit'`,
          [account, clientOrderId],
        );
        const open = rows[0]?.open ?? null;
        return open === null ? 'none' : open ? 'in_flight' : 'settled';
      },

      standingOrders: async (brokerOrderIds) => {
        const { rows } = await client.query<{ id: string }>(
          `SELECT DISTINCT order_ref AS id FROM reconciliation_breaks
            WHERE account_label = $1 AND status IN ('open', 'escalated', 'accepted') AND order_ref = ANY($2)`,
          [account, brokerOrderIds],
        );
        return new Set(rows.map(({ id }) => id));
      },

      positions: () => readPositions(client, account, movements),

      // Before the first checkpoint the positions of a new ledger are counted from the same sums.
      cashMoved: () =>
        cashMoved(client, account, async () =>
          [...(await movements(null, [])).values()].reduce((cost, moved) => cost.plus(moved.cost), zero),
        ),

      saveActivities: (activities) => saveActivities(client, account, activities),

      booked: async (executionIds) => {
        if (executionIds.length === 0) return new Set();
        const { rows } = await client.query<{ id: string }>(
          `SELECT ${bare('broker_execution_id')} AS id FROM execution_order_events
          WHERE account_label = $1 AND ${bare('broker_execution_id')} = ANY($2) AND broker_execution_id IS NOT NULL
            AND event_type IN ('fill', 'partial_fill', 'trade_bust', 'trade_correct')`,
          [account, executionIds.map(executionIdOf)],
        );
        const known = new Set(rows.map(({ id }) => id));
        return new Set(executionIds.filter((id) => known.has(executionIdOf(id))));
      },

      record: async (found) => {
        const isNew = await recordBreak(client, { account, runId, now }, found);
        if (isNew) written.push(found.type);
        return isNew;
      },
    };
  };

  return {
    beginRun: async (scope: RunScope, scheduledFor, now) => {
      const result = await pool.query<{ id: string }>(
        `INSERT INTO reconciliation_runs AS run (account_label, scope, scheduled_for, status, sources, checked, breaks, healed, started_at)
         VALUES ($1, $2, $3, 'running', '{}', 0, 0, 0, $4)
         ON CONFLICT (account_label, scope, scheduled_for) DO UPDATE SET started_at = excluded.started_at, status = 'running',
           finished_at = NULL WHERE run.status <> 'completed'
         RETURNING id`,
        [account, scope, new Date(scheduledFor), new Date(now)],
      );
      return result.rows[0]?.id ?? null;
    },

    finishRun: async (runId, { sources, checked, completed, cashCheckpoint }, now) => {
      const { rows } = await pool.query<{ breaks: number; healed: number }>(
        // Two may be at the same run: what one of them completed, a failure of the other does not take back.
        `WITH found AS (
           SELECT count(*)::int AS breaks, count(*) FILTER (WHERE status = 'healed')::int AS healed FROM reconciliation_breaks WHERE run_id = $1
         ), finished AS (
           UPDATE reconciliation_runs AS run SET status = $2, sources = $3, checked = $4, breaks = found.breaks, healed = found.healed, finished_at = $5
             FROM found WHERE run.id = $1 AND run.status <> 'completed'
         )
         SELECT breaks, healed FROM found WHERE EXISTS (SELECT FROM reconciliation_runs WHERE id = $1)`,
        [
          runId,
          completed ? 'completed' : 'failed',
          jsonText(
            cashCheckpoint === undefined
              ? sources
              : { ...sources, cash: { ...sources['cash'], checkpoint: cashCheckpoint } },
          ),
          checked,
          new Date(now),
        ],
      );
      const [counts] = rows;
      if (counts === undefined) throw new Error(`expected reconciliation run ${runId}, found none`);
      return counts;
    },

    marks: async (now): Promise<ReconciliationMarks> => {
      const { rows } = await pool.query<RunRow>(marksStatement, [account, new Date(now)]);
      const [row] = rows;
      if (row === undefined) throw new Error('expected one row of marks, found none');
      return {
        lastNightlyAt: row.nightly_at,
        lastCompletedAt: row.completed_at,
        opening: openingOf(row),
        sessions: row.sessions,
        feesPosted: row.fees_posted,
      };
    },

    calendarDay: async (date) => {
      const { rows } = await pool.query<{ day: CalendarRow }>(
        `SELECT row_to_json(market_calendar) AS day FROM market_calendar WHERE session_date = $1::date`,
        [date],
      );
      return rows[0] === undefined ? null : calendarDay(rows[0].day);
    },

    orders: (from, until) => listOrders(pool, account, from, until),

    activitiesFrom: async (from) => {
      const start = new Date(newYorkInstant(from, '00:00'));
      const traded = await pool.query<{
        id: string;
        symbol: string;
        side: Side;
        qty: DecimalText;
        price: DecimalText;
        at: Instant;
      }>(
        `SELECT broker_execution_id AS id, symbol, side, qty, price, executed_at AS at FROM booked_fills
          WHERE account_label = $1 AND executed_at >= $2 ORDER BY executed_at, broker_execution_id`,
        [account, start],
      );
      const fills = traded.rows.flatMap((row): Fill[] => {
        const symbol = asTicker(row.symbol);
        if (symbol === null) return [];
        return [
          {
            executionId: row.id,
            accountLabel: account,
            strategyId: null,
            symbol,
            side: row.side,
            qty: decimal(row.qty),
            price: decimal(row.price),
            executedAt: row.at,
          },
        ];
      });
      const posted = await pool.query<ActivityRow>(
        `SELECT activity_id AS id, activity_type AS type, sub_type AS "subType", status, activity_ts AS at, symbol, qty, price,
           net_amount AS "netAmount", raw ->> 'date' AS date, raw ->> 'description' AS description, raw
           FROM account_activities WHERE account_label = $1 AND activity_type <> 'FILL' AND activity_ts >= $2
          ORDER BY activity_ts, activity_id`,
        [account, start],
      );
      return { fills, others: posted.rows.map(accountActivity) };
    },

    underLock: async (runId, now, work) => {
      let written: BreakType[] = [];
      const result = await inTransaction(pool, async (client) => {
        written = [];
        await lockAccount(client, account);
        return work(currentRows(client, runId, now, written));
      });
      for (const type of written) telemetry.count('reconciliation_breaks_total', 1, { type });
      return result;
    },

    saveAgreed: (broker, positions, asOf) =>
      insertSnapshot(pool, account, { account: broker, positions }, [{ kind: 'reconcile', asOf }]),
  };
};
