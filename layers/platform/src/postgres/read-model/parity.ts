import {
  newYorkDate,
  type AccountLabel,
  type EvidenceClass,
  type Instant,
  type Json,
  type NewYorkDate,
  type ParityFinding,
  type ParityMetrics,
  type ParityStanding,
  type Ticker,
} from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { instantText, onlyRow } from './sql.ts';

/** A row of `parity_checks`; times are UTC text. */
export interface ParityCheckRow extends Pick<ParityStanding, 'symbol' | 'kind' | 'result'> {
  readonly session_date: NewYorkDate;
  readonly sample_lean: number;
  readonly sample_alpaca: number;
  readonly metrics: ParityMetrics;
  readonly tolerances: Readonly<Record<string, Json>>;
  readonly codes: readonly ParityFinding[];
  readonly evidence_class: EvidenceClass;
  readonly checked_at: string;
}

/** The check of a symbol and kind that counts: its newest. */
export interface ParityStandingRow extends ParityCheckRow, ParityStanding {}

/** How the checks of the newest session that has any read to a gate. */
export interface ParitySession {
  /** Null without any check. */
  readonly session_date: NewYorkDate | null;
  /** Whether all of them passed, of a symbol and kind that was judged again the newest. */
  readonly passed: boolean;
  /** Sessions after it by the calendar, today's included; null without any check. */
  readonly sessionsSince: number | null;
  readonly evidence_class: EvidenceClass;
  readonly at: Instant | null;
}

export interface ParityReads {
  readonly newestSession: ParitySession;
  readonly standings: readonly ParityStandingRow[];
  /** Newest first. */
  readonly checks: readonly ParityCheckRow[];
}

const columns = `p.symbol, p.kind, p.result, p.session_date::text AS session_date, p.sample_lean, p.sample_alpaca, p.metrics, p.tolerances,
  p.codes, p.evidence_class, ${instantText('p.checked_at')} AS checked_at`;

/** Sessions after that of a row, by the calendar, up to the date of `today`. */
const sessionsSince = (row: string, today: string): string => `(SELECT count(*)::int FROM market_calendar c
  WHERE c.kind <> 'closed' AND c.session_date > ${row}.session_date AND c.session_date <= ${today}::date)`;

/** The newest parity check of each symbol and kind. Sessions are counted by the calendar, today's included. */
export const readParityStandings = async (
  db: Queryable,
  account: AccountLabel,
  symbols: readonly Ticker[],
  now: Instant,
): Promise<readonly ParityStandingRow[]> => {
  const { rows } = await db.query<ParityStandingRow>(
    `SELECT DISTINCT ON (p.symbol, p.kind) ${columns},
       ${sessionsSince('p', '$3')} AS "sessionsSince"
     FROM parity_checks p WHERE p.account_label = $1 AND p.symbol = ANY($2) AND p.session_date <= $3::date
     ORDER BY p.symbol, p.kind, p.session_date DESC, p.checked_at DESC`,
    [account, symbols, newYorkDate(now)],
  );
  return rows;
};

/** The checks up to a moment that a candidate for capital is judged by: those of the newest session, of every symbol. */
export const readParitySession = async (db: Queryable, account: AccountLabel, now: Instant): Promise<ParitySession> => {
  const { rows } = await db.query<ParitySession>(
    `WITH newest AS (
       SELECT DISTINCT ON (symbol, kind) * FROM parity_checks WHERE account_label = $1 AND checked_at <= $2
          AND session_date = (SELECT max(session_date) FROM parity_checks WHERE account_label = $1 AND checked_at <= $2)
        ORDER BY symbol, kind, checked_at DESC
     )
     SELECT max(session_date)::text AS session_date, coalesce(bool_and(result = 'pass'), false) AS passed,
       max(${sessionsSince('newest', '$3')}) AS "sessionsSince",
       CASE WHEN bool_and(evidence_class = 'observed') THEN 'observed' ELSE 'simulated' END AS evidence_class, max(checked_at) AS at
       FROM newest`,
    [account, new Date(now), newYorkDate(now)],
  );
  return onlyRow(rows);
};

/** What stands for the symbols now, and the newest checks of all symbols or one. */
export const readParity = async (
  db: Queryable,
  account: AccountLabel,
  { symbols, symbol, limit }: ParityFilter,
  now: Instant,
): Promise<ParityReads> => {
  const standings = await readParityStandings(db, account, symbols, now);
  const { rows } = await db.query<ParityCheckRow>(
    `SELECT ${columns} FROM parity_checks p WHERE p.account_label = $1 AND ($2::text IS NULL OR p.symbol = $2)
     ORDER BY p.checked_at DESC, p.symbol, p.kind LIMIT $3`,
    [account, symbol, limit],
  );
  return { standings, newestSession: await readParitySession(db, account, now), checks: rows };
};

export interface ParityFilter {
  /** The symbols that both adapters trade now. */
  readonly symbols: readonly Ticker[];
  /** Checks of this symbol only; null for those of all. */
  readonly symbol: Ticker | null;
  readonly limit: number;
}
