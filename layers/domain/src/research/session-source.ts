import type { Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import type { SessionSnapshot } from './snapshot.ts';

type Session = SessionSnapshot['session'];

/** Symbols in one session as the stream holds them at `now`: a row that was emitted later does not exist yet. */
export interface SessionQuery {
  readonly symbols: readonly Ticker[];
  readonly session: Session;
  /** ISO-8601 bar length of the one series that is read. */
  readonly windowSize: string;
  /** Bars that end later are not read. */
  readonly to: Instant;
  readonly now: Instant;
}

export interface SourceFailure {
  readonly ok: false;
  readonly failure: 'unreachable' | 'timeout' | 'query_failed';
  readonly detail: string;
}

export type SessionRead =
  | {
      readonly ok: true;
      /** One for each symbol asked for, in that order; without rows where it did not trade. */
      readonly snapshots: readonly SessionSnapshot[];
      /** Signals at a time no bar ended at: research cannot fill an order there, and leaves them out. */
      readonly signalsWithoutBar: number;
    }
  | SourceFailure;

/** Where research finds sessions (ClickHouse). */
export interface SessionSource {
  /** How long ago a session may have opened of which everything is still there, ms; Infinity for one that forgets nothing. */
  readonly keepsMs: number;
  /** Which of the sessions hold a bar of any symbol: the stream forgets its rows after a while. */
  sessionsWithBars(
    query: Omit<SessionQuery, 'session' | 'to'> & { readonly sessions: readonly Session[] },
  ): Promise<{ readonly ok: true; readonly dates: ReadonlySet<NewYorkDate> } | SourceFailure>;
  read(query: SessionQuery): Promise<SessionRead>;
}
