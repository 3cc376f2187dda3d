import { minute, timeframeMs, timeframeOf, type Instant, type Ticker, type TradingDay } from '@torghut/domain';
import { snapshotKey, type EvidenceStore } from '@torghut/domain/evidence';
import {
  loadSnapshots,
  storedSnapshot,
  type ArchivedSnapshot,
  type SessionSnapshot,
  type SessionSource,
  type SnapshotArchive,
  type StoredSnapshot,
} from '@torghut/domain/research';

export interface DatasetPorts {
  readonly source: SessionSource;
  readonly archive: SnapshotArchive;
  readonly store: EvidenceStore;
}

export interface DatasetRequest {
  /** Trading days, ascending; the last one may still be open. */
  readonly days: readonly TradingDay[];
  readonly symbols: readonly Ticker[];
  readonly windowSize: string;
  /** The window's end: no later bar is looked at. */
  readonly to: Instant;
  readonly now: Instant;
}

export type Collected =
  | {
      readonly ok: true;
      /** By session, then symbol; sessions of which the stream has nothing are not among them. */
      readonly snapshots: readonly StoredSnapshot[];
    }
  | { readonly ok: false; readonly detail: string };

/** After this long nothing of a session is on its way any more, and it may be archived. */
const settledAfterMs = 10 * minute;
/** Rows of one statement of the signal store, about: one of all symbols costs little more than one of a single symbol. */
const rowsPerRead = 50_000;

const keyOf = (date: string, symbol: string): string => `${date} ${symbol}`;

/**
 * Every session of every symbol, as bytes that are stored: finished sessions out of the archive, the others, and the session
 * that goes on, read from the stream. A session is archived when it is over and its rows have arrived. A session without a
 * single bar of any symbol is one the stream has forgotten, or never had: it is left out, never taken for a quiet one.
 */
export const collectSnapshots = async (request: DatasetRequest, ports: DatasetPorts): Promise<Collected> => {
  const { days, symbols, windowSize, now } = request;
  const dates = days.map(({ date }) => date);
  const known = await ports.archive.find(windowSize, dates, symbols);
  const archived = new Set(known.map(({ date, symbol }) => keyOf(date, symbol)));
  // What the stream is about to forget would be archived by halves, and for ever.
  const remembered = days.filter(({ openAt }) => openAt >= now - ports.source.keepsMs);
  const open = remembered.map(sessionOf).flatMap((session) => {
    const missing = symbols.filter((symbol) => !archived.has(keyOf(session.date, symbol)));
    return missing.length === 0 ? [] : [{ session, missing }];
  });
  const covered = await ports.source.sessionsWithBars({
    sessions: open.map(({ session }) => session),
    symbols,
    windowSize,
    now,
  });
  if (!covered.ok) return { ok: false, detail: `${covered.failure}: ${covered.detail}` };

  const fresh: StoredSnapshot[] = [];
  for (const { session, missing } of open.filter(({ session: { date } }) => covered.dates.has(date))) {
    const found = await readSession(session, missing, request, ports);
    if (!found.ok) return found;
    fresh.push(...found.snapshots);
  }
  for (const { sha256, bytes } of fresh) await ports.store.put(snapshotKey(sha256), bytes);
  const finished = fresh.filter(({ snapshot }) => snapshot.session.closeAt + settledAfterMs <= now);
  if (finished.length > 0) await ports.archive.keep(windowSize, finished.map(archiveRow));
  // Of two that archive the same session the first one stands, for both.
  const kept = finished.length === 0 ? known : await ports.archive.find(windowSize, dates, symbols);
  const loaded = await loadSnapshots({ snapshots: kept.map(listed) }, ports.store);
  if (!loaded.ok) return { ok: false, detail: `${loaded.code}: ${loaded.key}: ${loaded.detail}` };
  const inArchive = new Set(kept.map(({ date, symbol }) => keyOf(date, symbol)));
  const others = fresh.filter(({ snapshot: { session, symbol } }) => !inArchive.has(keyOf(session.date, symbol)));
  return { ok: true, snapshots: [...loaded.snapshots.map(storedSnapshot), ...others] };
};

const readSession = async (
  session: SessionSnapshot['session'],
  symbols: readonly Ticker[],
  { windowSize, to, now }: DatasetRequest,
  { source }: DatasetPorts,
): Promise<Collected> => {
  const barMs = timeframeMs(timeframeOf(windowSize) ?? '');
  const perRead = Math.max(1, Math.floor((rowsPerRead * barMs) / (session.closeAt - session.openAt)));
  const snapshots: StoredSnapshot[] = [];
  for (let from = 0; from < symbols.length; from += perRead) {
    const answer = await source.read({
      symbols: symbols.slice(from, from + perRead),
      session,
      windowSize,
      to,
      now,
    });
    if (!answer.ok) return { ok: false, detail: `${answer.failure}: ${answer.detail}` };
    snapshots.push(...answer.snapshots.map(storedSnapshot));
  }
  return { ok: true, snapshots };
};

const sessionOf = ({ date, kind, openAt, closeAt }: TradingDay): SessionSnapshot['session'] => ({
  date,
  kind,
  openAt,
  closeAt,
});

const archiveRow = ({ snapshot, sha256, bytes }: StoredSnapshot): ArchivedSnapshot => ({
  date: snapshot.session.date,
  symbol: snapshot.symbol,
  rows: snapshot.bars.start.length,
  sha256,
  bytes: bytes.length,
});

/** As a dataset lists it. What was altered within a block is not known here, only that something was. */
const listed = ({ date, symbol, rows, sha256, bytes }: ArchivedSnapshot) => ({
  session_date: date,
  symbol,
  rows,
  sha256,
  bytes,
  locators: [],
});
