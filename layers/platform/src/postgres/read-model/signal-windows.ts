import {
  type AccountLabel,
  type CalendarDay,
  type FreshnessInput,
  type Instant,
  newYorkDate,
  type NoSignalReason,
  type SignalWindow,
} from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { decimalColumn, epochMs, instantParameter } from './sql.ts';

/** Two days of one-minute rows, so that a latch set before a night is still seen after it. */
const tradingRows = 1_000;
const laneRows = 300;

interface WindowRow {
  readonly consumer: SignalWindow['consumer'];
  readonly window_start: number;
  readonly session_open: boolean;
  readonly no_signal_reason: NoSignalReason | null;
  readonly hit: boolean;
  readonly signals_evaluated: number;
  readonly finished_at: number | null;
  readonly lag_seconds: string | null;
  readonly effective_lag_seconds: string | null;
  readonly tail_event_ts: number | null;
  readonly code_hash: string;
}

const newest = (consumer: string, limit: number): string =>
  `(SELECT consumer, ${epochMs('window_start')} AS window_start, session_open, no_signal_reason, hit, signals_evaluated,
      ${epochMs('finished_at')} AS finished_at, ${decimalColumn('lag_seconds')} AS lag_seconds,
      ${decimalColumn('effective_lag_seconds')} AS effective_lag_seconds, ${epochMs('tail_event_ts')} AS tail_event_ts, code_hash
    FROM signal_windows
    WHERE account_label = $1 AND consumer = '${consumer}' AND signal_windows.window_start <= $2
    ORDER BY signal_windows.window_start DESC LIMIT ${limit})`;

const toNumber = (text: string | null): number | null => (text === null ? null : Number(text));

/** Hours and kind of today's session; null when the calendar has no row for the date. */
export interface SessionToday {
  readonly kind: CalendarDay['kind'];
  readonly hours: { readonly openAt: Instant; readonly closeAt: Instant } | null;
}

/** Today's session by the New York date of `now`. */
export const readSessionToday = async (db: Queryable, now: Instant): Promise<SessionToday | null> => {
  const { rows } = await db.query<{ kind: CalendarDay['kind']; open_at: number | null; close_at: number | null }>(
    `SELECT kind, ${epochMs('open_at')} AS open_at, ${epochMs('close_at')} AS close_at
     FROM market_calendar WHERE session_date = $1::date`,
    [newYorkDate(now)],
  );
  const [day] = rows;
  if (day === undefined) return null;
  const { kind, open_at: openAt, close_at: closeAt } = day;
  return { kind, hours: openAt === null || closeAt === null ? null : { openAt, closeAt } };
};

/**
 * What the freshness rules need, in two statements. The newest event is the one the last cycles saw; a caller that can
 * reach the signal store replaces it with what is there now.
 */
export const readFreshnessInput = async (
  db: Queryable,
  account: AccountLabel,
  now: Instant,
): Promise<{ readonly input: FreshnessInput; readonly today: SessionToday | null }> => {
  const { rows } = await db.query<WindowRow>(
    `${newest('trading', tradingRows)} UNION ALL ${newest('lane', laneRows)}`,
    [account, instantParameter(now)],
  );
  const today = await readSessionToday(db, now);
  const tails = rows.flatMap((row) => (row.tail_event_ts === null ? [] : [row.tail_event_ts]));
  return {
    today,
    input: {
      now,
      session: today?.hours ?? null,
      maxEventTs: tails.length === 0 ? null : Math.max(...tails),
      windows: rows.map((row) => ({
        consumer: row.consumer,
        windowStart: row.window_start,
        sessionOpen: row.session_open,
        noSignalReason: row.no_signal_reason,
        hit: row.hit,
        signalsEvaluated: row.signals_evaluated,
        finishedAt: row.finished_at,
        lagSeconds: toNumber(row.lag_seconds),
        effectiveLagSeconds: toNumber(row.effective_lag_seconds),
        codeHash: row.code_hash,
      })),
    },
  };
};
