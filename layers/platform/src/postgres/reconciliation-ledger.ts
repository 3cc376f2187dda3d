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
  type LedgerOrder,
  type LedgerPosition,
  type ListedFill,
  type ListedOrder,
  type NewYorkDate,
  type ReconciliationLedger,
  type ReconciliationMarks,
  type ReconciliationScope,
  type Side,
  type Telemetry,
} from '@torghut/domain';
import { recordBreak } from './break-store.ts';
import { calendarDay, type CalendarRow } from './calendar-store.ts';
import { lockAccount } from './execution-ledger.ts';
import { jsonText } from './json.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';
import { insertSnapshot } from './position-snapshots.ts';

export interface ReconciliationLedgerConfig {
  readonly account: AccountLabel;
  readonly telemetry: Pick<Telemetry, 'count'>;
}

/** Columns are named as the domain names them, so that a row is what it is read as. */
const listedColumns = `e.alpaca_order_id AS "brokerOrderId", e.state, e.submitted_qty AS "submittedQty", e.submitted_at AS "submittedAt",
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
                      AND later.activity_type = 'FILL' AND later.raw ->> 'previous_execution_id' = ${bare('a.activity_id')})`;

const orderColumns = `${listedColumns}, e.id AS "executionId", e.client_order_id AS "clientOrderId", e.symbol,
  ${lines('broker_execution_id', 'FROM booked_fills b WHERE b.execution_id = e.id')} AS booked,
  ${lines(bare('activity_id'), reportedFills)} AS reported`;

/** Rows of one batch: read within a few milliseconds, and few enough that memory does not grow. */
const rowsPerBatch = 1_000;
const terminalStates = `('denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected')`;

/**
 * Reads a list batch by batch, each going on from the last row of the one before, in an order that an index keeps. The next
 * batch is on its way while one is worked on. Times are read to the millisecond, so a batch begins with the millisecond of
 * the last row, less the rows of it that were given.
 * @param statement of `$1` account, `$2` time, `$3` ids that were given, `$4` rows, and what follows in `values`.
 */
async function* batches<Row extends object>(
  pool: Pool,
  statement: string,
  account: AccountLabel,
  from: Instant | null,
  values: readonly unknown[],
  keyOf: (row: Row) => readonly [at: Instant, id: string],
): AsyncGenerator<readonly Row[]> {
  let given: readonly string[] = [];
  const fetch = (at: Instant): Promise<Row[]> => {
    const rows = pool
      .query<Row>(statement, [account, new Date(at), given, rowsPerBatch, ...values])
      .then((result) => result.rows);
    // Whoever gives up the list half-way waits for none of it.
    rows.catch(() => undefined);
    return rows;
  };
  let at = from ?? 0;
  let upcoming: Promise<Row[]> | null = fetch(at);
  while (upcoming !== null) {
    const rows: Row[] = await upcoming;
    const last = rows.at(-1);
    if (last === undefined) return;
    const before = at;
    [at] = keyOf(last);
    const here: string[] = [];
    for (let index = rows.length - 1; index >= 0; index -= 1) {
      const [time, id] = keyOf(rows[index] ?? last);
      if (time !== at) break;
      here.push(id);
    }
    given = at === before ? [...given, ...here] : here;
    upcoming = rows.length < rowsPerBatch ? null : fetch(at);
    yield rows;
  }
}

const ordersStatement = (which: 'range' | 'open'): string => `SELECT ${listedColumns} FROM executions e
  WHERE e.account_label = $1 AND e.submitted_at >= $2 AND e.alpaca_order_id <> ALL($3::text[]) AND e.submitted_at < $5
    ${which === 'open' ? `AND e.state NOT IN ${terminalStates}` : ''}
  ORDER BY e.submitted_at, e.alpaca_order_id LIMIT $4`;

/**
 * Fills as they were first reported; what busts and corrections made of them is looked at order by order. A condition that
 * the planner takes for rare would keep it from the index.
 */
const fillStatements = {
  booked: `SELECT alpaca_order_id AS "brokerOrderId", broker_execution_id AS "executionId", qty, price, event_ts AS at
    FROM execution_order_events
    WHERE account_label = $1 AND event_type IN ('fill', 'partial_fill') AND event_ts >= $2 AND broker_execution_id <> ALL($3::text[])
    ORDER BY event_ts, broker_execution_id LIMIT $4`,
  reported: `SELECT order_id AS "brokerOrderId", activity_id AS "executionId", qty, price, activity_ts AS at
    FROM account_activities
    WHERE account_label = $1 AND activity_type = 'FILL' AND coalesce(raw ->> 'previous_execution_id' = '', true)
      AND activity_ts >= $2 AND activity_id <> ALL($3::text[])
    ORDER BY activity_ts, activity_id LIMIT $4`,
} as const;

/** Cash that stored activities moved up to a moment, or at all: fills by price and side, everything else by its own amount. */
const cashMoved = (before: string | null): string => `(
  (SELECT coalesce(-sum(m.signed_qty * m.price), 0) FROM fill_movements m
    WHERE m.account_label = $1${before === null ? '' : ` AND m.moved_at < ${before}`})
  + (SELECT coalesce(sum(a.net_amount), 0) FROM account_activities a
      WHERE a.account_label = $1 AND a.activity_type <> 'FILL'${before === null ? '' : ` AND a.activity_ts < ${before}`}))::text`;

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

const readPositions = async (client: Queryable, account: AccountLabel): Promise<readonly LedgerPosition[]> => {
  const { asOf, bySymbol } = await readBaselines(client, account);
  const values = [
    account,
    asOf === null ? null : new Date(asOf),
    jsonText([...bySymbol.values()].map(({ symbol, as_of }) => ({ symbol, as_of: new Date(as_of) }))),
  ];
  const sums = await client.query<{ symbol: string; qty: DecimalText; fills: number; last_fill_at: Instant }>(
    `SELECT f.symbol, sum(f.signed_qty)::text AS qty, count(*) AS fills, max(f.moved_at) AS last_fill_at ${since('fill_movements', 'moved_at')} GROUP BY f.symbol`,
    values,
  );
  const sumOf = new Map(sums.rows.map((row) => [row.symbol, row]));
  const opening = (symbol: string) => {
    const baseline = bySymbol.get(symbol);
    const average = baseline?.avg_entry_price ?? null;
    return {
      qty: decimal(baseline?.qty ?? '0'),
      averageEntry: baseline === undefined ? zero : average === null ? null : decimal(average),
    };
  };
  const held = (symbol: string): Decimal => opening(symbol).qty.plus(decimal(sumOf.get(symbol)?.qty ?? '0'));
  const followed = sums.rows.filter(({ symbol, fills }) => fills <= averagedFills && !held(symbol).eq(zero));
  const fills = await client.query<{ symbol: string; side: Side; qty: DecimalText; price: DecimalText }>(
    `SELECT f.symbol, f.side, f.qty, f.price ${since('booked_fills', 'executed_at')} AND f.symbol = ANY($4)
      ORDER BY f.executed_at, f.broker_execution_id`,
    [...values, followed.map(({ symbol }) => symbol)],
  );
  const averages = new Map(followed.map(({ symbol }) => [symbol, opening(symbol)]));
  for (const { symbol, side, qty, price } of fills.rows) {
    const before = averages.get(symbol);
    if (before !== undefined)
      averages.set(symbol, positionAfterFill(before, { side, qty: decimal(qty), price: decimal(price) }));
  }
  return [...new Set([...bySymbol.keys(), ...sumOf.keys()])].map((symbol): LedgerPosition => {
    const sum = sumOf.get(symbol);
    return {
      symbol,
      qty: held(symbol),
      averageEntry: sum === undefined ? opening(symbol).averageEntry : (averages.get(symbol)?.averageEntry ?? null),
      lastFillAt: sum?.last_fill_at ?? null,
    };
  });
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
            ${cashMoved('s.as_of')})
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
  const currentRows = (client: Queryable, runId: string, now: Instant, written: BreakType[]): CurrentRows => ({
    order: (brokerOrderId, clientOrderId) => orderOf(client, account, brokerOrderId, clientOrderId),

    isInFlight: async (clientOrderId) => {
      const { rowCount } = await client.query(
        `SELECT FROM broker_receipts WHERE account_label = $1 AND client_order_id = $2 AND operation = 'submit'
           AND (state <> 'settled' OR outcome = 'unknown') LIMIT 1`,
        [account, clientOrderId],
      );
      return rowCount !== 0;
    },

    positions: () => readPositions(client, account),

    activitiesNet: async () => {
      const { rows } = await client.query<{ net: DecimalText }>(`SELECT ${cashMoved(null)} AS net`, [account]);
      return decimal(rows[0]?.net ?? '0');
    },

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
  });

  return {
    beginRun: async (scope: ReconciliationScope, scheduledFor, now) => {
      const result = await pool.query<{ id: string }>(
        `INSERT INTO reconciliation_runs AS run (account_label, scope, scheduled_for, status, sources, checked, breaks, healed, started_at)
         VALUES ($1, $2, $3, 'running', '{}', 0, 0, 0, $4)
         ON CONFLICT (account_label, scope, scheduled_for) DO UPDATE SET started_at = excluded.started_at, status = 'running'
           WHERE run.status <> 'completed'
         RETURNING id`,
        [account, scope, new Date(scheduledFor), new Date(now)],
      );
      return result.rows[0]?.id ?? null;
    },

    finishRun: async (runId, { sources, checked, completed }, now) => {
      const { rows } = await pool.query<{ breaks: number; healed: number }>(
        `UPDATE reconciliation_runs AS run SET status = $2, sources = $3, checked = $4, breaks = found.breaks, healed = found.healed, finished_at = $5
           FROM (SELECT count(*)::int AS breaks, count(*) FILTER (WHERE status = 'healed')::int AS healed
                   FROM reconciliation_breaks WHERE run_id = $1) AS found
          WHERE run.id = $1 RETURNING run.breaks, run.healed`,
        [runId, completed ? 'completed' : 'failed', jsonText(sources), checked, new Date(now)],
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

    orders: async function* (from, until) {
      const list = (which: 'range' | 'open', since: Instant | null, end: Instant) =>
        batches<ListedOrder>(pool, ordersStatement(which), account, since, [new Date(end)], (row) => [
          row.submittedAt,
          row.brokerOrderId,
        ]);
      if (from !== null) yield* list('open', null, Math.min(from, until));
      yield* list('range', from, until);
    },

    fills: (list, from) =>
      batches<ListedFill>(pool, fillStatements[list], account, from, [], (row) => [row.at, row.executionId]),

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
      insertSnapshot(pool, account, { account: broker, positions, asOf }, ['reconcile']),
  };
};
