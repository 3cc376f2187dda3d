import {
  compareKeys,
  hour,
  minute,
  overlapKey,
  type ArrivedRow,
  type CursorKey,
  type Instant,
  type SignalBatch,
  type SignalQuery,
  type SignalRow,
} from '@torghut/domain';
import { source, tailHours, volumeMinutes } from './signal-columns.ts';

/** A delivery of the signal stream: `CursorKey` is where the live read sorts it, `ingestTs` when it was emitted. */
export interface DeliveredKey extends CursorKey {
  readonly ingestTs: Instant;
}

export interface DeliveredSignal extends DeliveredKey {
  readonly version: number;
  readonly indicators: SignalRow['indicators'];
}

export interface DeliveredBar {
  readonly symbol: string;
  readonly eventTs: Instant;
  readonly ingestTs: Instant;
  /** USD; null where the stream has no finite number. */
  readonly close: number | null;
  readonly volume: number | null;
}

/** Every delivery of a stretch of time, copies included: what the reads of its windows are cut from. */
export interface SignalStretch {
  readonly windowSize: string;
  /** Signals of `[from, to]`, in key order. */
  readonly from: Instant;
  readonly to: Instant;
  readonly signals: readonly DeliveredSignal[];
  /** Keys of `(newestFrom, from)`, in key order: the newest row may lie before the stretch. */
  readonly newestFrom: Instant;
  readonly earlier: readonly DeliveredKey[];
  /** Bars of `(barsFrom(from), to]` by symbol, by event time and, of one time, by emission, close and volume. */
  readonly bars: ReadonlyMap<string, readonly DeliveredBar[]>;
}

/** Where the bars begin that a read from `overlapFrom` on may refer to. Exclusive. */
export const barsFrom = (overlapFrom: Instant): Instant => overlapFrom - (volumeMinutes + 1) * minute;

/** Whether all that the read looks at lies in the stretch. */
export const holdsRead = (
  { windowSize, from, to, newestFrom }: SignalStretch,
  { now, overlapFrom, windowSize: wanted }: SignalQuery,
): boolean => windowSize === wanted && from <= overlapFrom && to >= now && newestFrom <= now - tailHours * hour;

/** Place behind the last of `rows`, which ascend, that is not later than `at`. */
const behind = (rows: readonly { readonly eventTs: Instant }[], at: Instant): number => {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.eventTs ?? Infinity) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Identities with all their copies that existed at `now`, in the order of their first. */
const identities = (
  { signals }: SignalStretch,
  { now, overlapFrom }: SignalQuery,
): readonly (readonly [DeliveredSignal, ...DeliveredSignal[]])[] => {
  const groups: [DeliveredSignal, ...DeliveredSignal[]][] = [];
  for (const signal of signals.slice(behind(signals, overlapFrom - 1), behind(signals, now))) {
    if (signal.ingestTs > now) continue;
    const group = groups.at(-1);
    if (group?.[0].eventTs === signal.eventTs && group[0].symbol === signal.symbol) group.push(signal);
    else groups.push([signal]);
  }
  return groups;
};

/** The bar a row refers to, and what was traded up to it: of each time the copy emitted last. */
const referenceOf = (
  { bars }: SignalStretch,
  { symbol, eventTs }: CursorKey,
  { now, overlapFrom }: SignalQuery,
): Pick<SignalRow, 'price' | 'priceAt' | 'meanMinuteVolume20'> => {
  const own = bars.get(symbol) ?? [];
  const volumes: number[] = [];
  let reference: DeliveredBar | null = null;
  let last: DeliveredBar | null = null;
  for (let index = behind(own, eventTs) - 1; index >= 0; index -= 1) {
    const bar = own[index];
    if (bar === undefined || bar.eventTs <= barsFrom(overlapFrom)) break;
    if (bar.ingestTs > now || bar.eventTs === last?.eventTs) continue;
    last = bar;
    reference ??= bar;
    if (bar.eventTs <= eventTs - volumeMinutes * minute) break;
    volumes.push(bar.volume ?? Number.NaN);
  }
  if (reference === null) return { price: null, priceAt: null, meanMinuteVolume20: null };
  // Oldest first, as the live statement adds: the last bit of a sum depends on it.
  const volume = volumes.reduceRight((sum, one) => sum + one, 0);
  return {
    price: reference.close,
    priceAt: reference.eventTs,
    meanMinuteVolume20: (Number.isFinite(volume) ? volume : 0) / volumeMinutes,
  };
};

/** Sort key of the newest row that existed at `now`. */
const newestKey = ({ signals, earlier }: SignalStretch, now: Instant): CursorKey | null => {
  for (const keys of [signals, earlier]) {
    for (let index = behind(keys, now) - 1; index >= 0; index -= 1) {
      const key = keys[index];
      if (key === undefined || key.eventTs <= now - tailHours * hour) return null;
      if (key.ingestTs <= now) return { eventTs: key.eventTs, symbol: key.symbol, seq: key.seq };
    }
  }
  return null;
};

/**
 * What the live read of a window answers, out of a stretch that holds all it looks at (`holdsRead`). Of copies emitted in
 * the same millisecond, which the live statement takes in any order, the one with the lowest sequence number counts.
 * Skipped rows and the symbols seen are not gathered: 0 and none.
 */
export const cutRead = (stretch: SignalStretch, query: SignalQuery): SignalBatch => {
  const processed = new Set(query.processed);
  const rows = identities(stretch, query).flatMap((copies): ArrivedRow[] => {
    const [first] = copies;
    if (processed.has(overlapKey(first))) return [];
    const latest = copies.reduce((kept, copy) => (copy.ingestTs > kept.ingestTs ? copy : kept));
    const { symbol, eventTs, seq, ingestTs, version, indicators } = latest;
    return [
      {
        row: {
          symbol: symbol as SignalRow['symbol'],
          eventTs,
          seq,
          ingestTs,
          windowSize: query.windowSize,
          source,
          version,
          indicators,
          ...referenceOf(stretch, latest, query),
        },
        copies: copies.length,
        firstIngestTs: Math.min(...copies.map((copy) => copy.ingestTs)),
        late: compareKeys(latest, query.cursor) <= 0,
      },
    ];
  });
  const fresh = rows.filter(({ late }) => !late).slice(0, query.limit);
  const late = rows.filter((row) => row.late).slice(0, query.lateLimit);
  return { rows: [...fresh, ...late], tail: newestKey(stretch, query.now), symbolsSeen: [], skippedRows: 0 };
};
