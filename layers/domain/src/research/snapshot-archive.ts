import type { Hash, Ticker } from '../identifiers.ts';
import type { NewYorkDate } from '../market/new-york.ts';

/** Which bytes hold a finished session of a symbol. */
export interface ArchivedSnapshot {
  readonly date: NewYorkDate;
  readonly symbol: Ticker;
  readonly rows: number;
  readonly sha256: Hash;
  readonly bytes: number;
}

/**
 * Finished sessions that were read once and never are again: the stream forgets its rows after two weeks, and a session
 * that two runs share has to be the same in both.
 */
export interface SnapshotArchive {
  find(
    windowSize: string,
    dates: readonly NewYorkDate[],
    symbols: readonly Ticker[],
  ): Promise<readonly ArchivedSnapshot[]>;
  /** Keeps what is not archived yet; of two that archive the same session, the first one stands. */
  keep(windowSize: string, snapshots: readonly ArchivedSnapshot[]): Promise<void>;
}
