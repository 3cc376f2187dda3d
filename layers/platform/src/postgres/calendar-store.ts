import { parseInstant, type CalendarDay, type CalendarSource, type Instant, type NewYorkDate } from '@torghut/domain';
import type { Queryable } from './pool.ts';

/** A row of `market_calendar` as JSON. */
export interface CalendarRow {
  readonly session_date: string;
  readonly kind: 'full' | 'half' | 'closed';
  readonly open_at: string | null;
  readonly close_at: string | null;
  readonly extended_open_at: string | null;
  readonly extended_close_at: string | null;
  readonly settlement_date: string | null;
}

const at = (text: string | null): Instant | null => (text === null ? null : parseInstant(text));

export const calendarDay = (row: CalendarRow): CalendarDay => {
  const openAt = at(row.open_at);
  const closeAt = at(row.close_at);
  if (row.kind === 'closed' || openAt === null || closeAt === null) {
    return {
      date: row.session_date,
      kind: 'closed',
      openAt: null,
      closeAt: null,
      extendedOpenAt: null,
      extendedCloseAt: null,
      settlementDate: null,
    };
  }
  return {
    date: row.session_date,
    kind: row.kind,
    openAt,
    closeAt,
    extendedOpenAt: at(row.extended_open_at),
    extendedCloseAt: at(row.extended_close_at),
    settlementDate: row.settlement_date,
  };
};

/** Last date the broker told, and when it was asked; `null` when it never was. Rule-based days do not count. */
export const calendarHorizon = async (
  pool: Queryable,
  from: string,
): Promise<{ readonly lastDate: string; readonly fetchedAt: Instant } | null> => {
  const result = await pool.query<{ last_date: string | null; fetched_at: number | null }>(
    `SELECT max(session_date) AS last_date, min(fetched_at) AS fetched_at FROM market_calendar
      WHERE session_date >= $1::date AND source = 'alpaca'`,
    [from],
  );
  const [row] = result.rows;
  if (row === undefined || row.last_date === null || row.fetched_at === null) return null;
  return { lastDate: row.last_date, fetchedAt: row.fetched_at };
};

/** Writes calendar days. A rule-based day never replaces one the broker gave. */
export const saveCalendar = async (
  pool: Queryable,
  days: readonly CalendarDay[],
  source: CalendarSource,
  fetchedAt: Instant,
): Promise<void> => {
  const rows = days.map((day) => ({
    session_date: day.date,
    kind: day.kind,
    open_at: day.openAt === null ? null : new Date(day.openAt).toISOString(),
    close_at: day.closeAt === null ? null : new Date(day.closeAt).toISOString(),
    extended_open_at: day.extendedOpenAt === null ? null : new Date(day.extendedOpenAt).toISOString(),
    extended_close_at: day.extendedCloseAt === null ? null : new Date(day.extendedCloseAt).toISOString(),
    settlement_date: day.settlementDate,
  }));
  await pool.query(
    `INSERT INTO market_calendar AS known
       (session_date, kind, open_at, close_at, extended_open_at, extended_close_at, settlement_date, source, fetched_at)
     SELECT r.session_date, r.kind, r.open_at, r.close_at, r.extended_open_at, r.extended_close_at, r.settlement_date, $2, $3
       FROM jsonb_to_recordset($1::jsonb) AS r(session_date date, kind text, open_at timestamptz, close_at timestamptz,
            extended_open_at timestamptz, extended_close_at timestamptz, settlement_date date)
     ON CONFLICT (session_date) DO UPDATE SET kind = excluded.kind, open_at = excluded.open_at, close_at = excluded.close_at,
       extended_open_at = excluded.extended_open_at, extended_close_at = excluded.extended_close_at,
       settlement_date = excluded.settlement_date, source = excluded.source, fetched_at = excluded.fetched_at
     WHERE excluded.source = 'alpaca' OR known.source = 'fallback'`,
    [JSON.stringify(rows), source, new Date(fetchedAt)],
  );
};

/** Calendar days from `from` to `to`, both included, by date; a date without a row is unknown. */
export const calendarDays = async (
  pool: Queryable,
  from: NewYorkDate,
  to: NewYorkDate,
): Promise<ReadonlyMap<NewYorkDate, CalendarDay>> => {
  const { rows } = await pool.query<{ day: CalendarRow }>(
    `SELECT row_to_json(market_calendar) AS day FROM market_calendar WHERE session_date BETWEEN $1::date AND $2::date`,
    [from, to],
  );
  return new Map(rows.map(({ day }) => [day.session_date, calendarDay(day)]));
};
