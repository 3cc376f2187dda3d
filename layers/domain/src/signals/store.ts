import type { ArrivedRow } from '../features/quality.ts';
import type { Instant } from '../instant.ts';
import type { CursorKey } from './cursor.ts';

/** One bounded read of the signal stream, as seen at `now`: a row that was emitted later does not exist yet. */
export interface SignalQuery {
  readonly now: Instant;
  readonly cursor: CursorKey;
  /** Overlap keys (`symbol|event time`) that were processed already: such rows are not read again. */
  readonly processed: readonly string[];
  /** Rows from here up to the cursor are read as late ones. */
  readonly overlapFrom: Instant;
  /** Count unprocessed rows from here up to the overlap: a fast-forward is never silent. */
  readonly skippedFrom: Instant | null;
  /** ISO-8601 bar length of the one series that is read. */
  readonly windowSize: string;
  /** At most this many new rows, and as many late ones as the overlap may hold. */
  readonly limit: number;
  readonly lateLimit: number;
}

export interface SignalBatch {
  /** Rows beyond the cursor in key order, at most `limit`, then late rows of the overlap that were not read before. */
  readonly rows: readonly ArrivedRow[];
  /** Sort key of the newest row of the last two hours. */
  readonly tail: CursorKey | null;
  /** Symbols with a bar in the last ten minutes, inside the universe or not. */
  readonly symbolsSeen: readonly string[];
  /** 0 when nothing was asked to be counted. */
  readonly skippedRows: number;
}

export type SignalRead =
  | { readonly ok: true; readonly batch: SignalBatch }
  | { readonly ok: false; readonly failure: 'unreachable' | 'timeout' | 'query_failed'; readonly detail: string };

/** The stream of technical-analysis rows (ClickHouse). */
export interface SignalStore {
  /** Exactly one query. */
  read(query: SignalQuery): Promise<SignalRead>;
  /** The freshness probe: newest event times of signals and of bars of the last two hours, `null` when there is none. */
  newestEvents(
    now: Instant,
    windowSize: string,
  ): Promise<
    | { readonly ok: true; readonly eventTs: Instant | null; readonly barTs: Instant | null }
    | Exclude<SignalRead, { ok: true }>
  >;
}
