import * as z from 'zod';
import { canonicalJson, sha256 } from '../canonical-json.ts';
import { featureContractHash, featureFields, type FeatureName } from '../features/contract.ts';
import { hashSchema, tickerSchema, type Hash, type Ticker } from '../identifiers.ts';
import { parseInstant, toText } from '../instant.ts';
import type { FeatureColumns } from './features.ts';
import type { BarColumns, SeriesSession, SymbolSeries } from './series.ts';

export const snapshotSchemaVersion = 'torghut.dataset-snapshot.v1';

/** Columns of bars, in the order they are stored. */
const barColumnNames = ['start', 'open', 'high', 'low', 'close', 'volume', 'halfSpread'] as const;
const featureNames = featureFields.map(({ name }): FeatureName => name);

/** Everything research is shown of one symbol in one session: bars, quotes, and the features as they were recorded. */
export interface SessionSnapshot {
  readonly symbol: Ticker;
  readonly barMs: number;
  readonly session: Omit<SeriesSession, 'from' | 'to'>;
  readonly bars: BarColumns & Pick<SymbolSeries, 'halfSpread'>;
  readonly features: FeatureColumns;
}

const headerSchema = z.strictObject({
  schema_version: z.literal(snapshotSchemaVersion),
  symbol: tickerSchema,
  bar_ms: z.int().positive(),
  rows: z.int().min(0),
  session_date: z.iso.date(),
  session_kind: z.enum(['full', 'half']),
  open_at: z.iso.datetime({ precision: 3 }),
  close_at: z.iso.datetime({ precision: 3 }),
  columns: z.array(z.string()),
  /** Contract the features were recorded under. */
  feature_contract_hash: hashSchema,
});

const allColumns: readonly string[] = [...barColumnNames, ...featureNames.map((name) => `feature:${name}`)];
const bytesPerValue = Float64Array.BYTES_PER_ELEMENT;
const lineFeed = 10;
const littleEndian = new Uint8Array(Float64Array.of(1).buffer)[0] === 0;

/** Swaps the bytes of each value on a machine that stores the most significant one first. */
const inFileOrder = (values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
  if (littleEndian) return values;
  new Uint8Array(values.buffer).reverse();
  return values.reverse();
};

/**
 * Bytes of a snapshot: one line of canonical JSON, padded so that what follows is aligned, then each column as
 * little-endian doubles. The same content gives the same bytes anywhere; an unknown value is the one quiet NaN.
 */
export const encodeSnapshot = ({ symbol, barMs, session, bars, features }: SessionSnapshot): Uint8Array => {
  const rows = bars.start.length;
  const columns = [...barColumnNames.map((name) => bars[name]), ...featureNames.map((name) => features[name])];
  for (const [index, { length }] of columns.entries())
    if (length !== rows)
      throw new RangeError(`expected ${rows} values of ${allColumns[index] ?? 'a column'}, found ${length}`);
  const line = canonicalJson({
    schema_version: snapshotSchemaVersion,
    symbol,
    bar_ms: barMs,
    rows,
    session_date: session.date,
    session_kind: session.kind,
    open_at: toText(session.openAt),
    close_at: toText(session.closeAt),
    columns: [...allColumns],
    feature_contract_hash: featureContractHash,
  });
  const text = new TextEncoder().encode(line);
  const headerBytes = Math.ceil((text.length + 1) / bytesPerValue) * bytesPerValue;
  const bytes = new Uint8Array(headerBytes + columns.length * rows * bytesPerValue);
  bytes.fill(0x20, 0, headerBytes);
  bytes.set(text);
  bytes[headerBytes - 1] = lineFeed;
  for (const [index, column] of columns.entries()) {
    // Another NaN would be another content hash for the same content.
    const values = inFileOrder(column.map((value) => (Number.isNaN(value) ? Number.NaN : value)));
    bytes.set(new Uint8Array(values.buffer), headerBytes + index * rows * bytesPerValue);
  }
  return bytes;
};

export type DecodedSnapshot =
  | { readonly ok: true; readonly snapshot: SessionSnapshot }
  | { readonly ok: false; readonly code: 'snapshot_malformed'; readonly detail: string };

const malformed = (detail: string): DecodedSnapshot => ({ ok: false, code: 'snapshot_malformed', detail });

const headerOf = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // The schema says what was expected instead.
  }
};

/** Reads what `encodeSnapshot` wrote; the columns are copies, so that the bytes may go. */
export const decodeSnapshot = (bytes: Uint8Array): DecodedSnapshot => {
  const end = bytes.indexOf(lineFeed);
  if (end === -1) return malformed('expected a line of JSON before the columns, found no end of line');
  const header = headerSchema.safeParse(headerOf(new TextDecoder().decode(bytes.subarray(0, end))));
  if (!header.success) return malformed(z.prettifyError(header.error));
  const { rows, columns, symbol, bar_ms, session_date, session_kind, open_at, close_at } = header.data;
  if (columns.join() !== allColumns.join())
    return malformed(`expected the columns ${allColumns.join(', ')}, found ${columns.join(', ')}`);
  if (header.data.feature_contract_hash !== featureContractHash)
    return malformed(
      `expected features of the contract ${featureContractHash}, found some of ${header.data.feature_contract_hash}`,
    );
  const from = end + 1;
  const expected = from + columns.length * rows * bytesPerValue;
  if (bytes.length !== expected)
    return malformed(`expected ${expected} bytes for ${rows} rows of ${columns.length} columns, found ${bytes.length}`);
  const column = (name: string): Float64Array => {
    const start = from + allColumns.indexOf(name) * rows * bytesPerValue;
    // Not the method of the bytes: that of a Buffer gives a view.
    const copy = Uint8Array.prototype.slice.call(bytes, start, start + rows * bytesPerValue);
    return inFileOrder(new Float64Array(copy.buffer, copy.byteOffset, rows));
  };
  return {
    ok: true,
    snapshot: {
      symbol,
      barMs: bar_ms,
      session: {
        date: session_date,
        kind: session_kind,
        openAt: parseInstant(open_at),
        closeAt: parseInstant(close_at),
      },
      bars: Object.fromEntries(barColumnNames.map((name) => [name, column(name)])) as Record<
        (typeof barColumnNames)[number],
        Float64Array
      >,
      features: Object.fromEntries(featureNames.map((name) => [name, column(`feature:${name}`)])) as Record<
        FeatureName,
        Float64Array
      >,
    },
  };
};

/** A snapshot with its bytes. */
export interface StoredSnapshot {
  readonly snapshot: SessionSnapshot;
  readonly sha256: Hash;
  readonly bytes: Uint8Array;
}

export const storedSnapshot = (snapshot: SessionSnapshot): StoredSnapshot => {
  const bytes = encodeSnapshot(snapshot);
  return { snapshot, sha256: sha256(bytes) as Hash, bytes };
};

/** One symbol over all its sessions: series and features, row by row. */
export interface SymbolData {
  readonly series: SymbolSeries;
  readonly features: FeatureColumns;
}

/** In memory that threads see without a copy each: evaluations are shared among them. */
const sharedColumn = (rows: number): Float64Array => new Float64Array(new SharedArrayBuffer(rows * bytesPerValue));

/** Whether each part begins where the one before it ends. */
const adjoining = (parts: readonly Float64Array[]): boolean =>
  parts.every((part, index) => {
    const before = parts[index - 1];
    return (
      before === undefined ||
      (part.buffer === before.buffer && part.byteOffset === before.byteOffset + before.byteLength)
    );
  });

const joined = (parts: readonly Float64Array[], rows: number): Float64Array => {
  const [first] = parts;
  if (first?.buffer instanceof SharedArrayBuffer && adjoining(parts))
    return new Float64Array(first.buffer, first.byteOffset, rows);
  const column = sharedColumn(rows);
  let at = 0;
  for (const part of parts) {
    column.set(part, at);
    at += part.length;
  }
  return column;
};

const eachColumn = <Columns extends object>(
  columns: Columns,
  change: (column: Float64Array, name: string) => Float64Array,
) =>
  Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, change(column as Float64Array, name)]),
  ) as Columns;

/**
 * Room for listed snapshots, a symbol's sessions one behind the other: a snapshot that is moved into it is joined with the
 * others without being copied again, and what it was read from may go.
 */
export const roomFor = (
  listed: readonly { readonly session_date: string; readonly symbol: string; readonly rows: number }[],
): ((snapshot: SessionSnapshot) => SessionSnapshot) => {
  const keyOf = (date: string, symbol: string): string => `${date} ${symbol}`;
  const places = new Map<
    string,
    { readonly columns: Map<string, Float64Array>; readonly from: number; readonly to: number }
  >();
  for (const [symbol, own] of Map.groupBy(listed, (one) => one.symbol)) {
    const total = own.reduce((sum, { rows }) => sum + rows, 0);
    const columns = new Map(allColumns.map((name) => [name, sharedColumn(total)]));
    let from = 0;
    for (const { session_date, rows } of own.toSorted((a, b) => (a.session_date < b.session_date ? -1 : 1))) {
      places.set(keyOf(session_date, symbol), { columns, from, to: from + rows });
      from += rows;
    }
  }
  return (snapshot) => {
    const place = places.get(keyOf(snapshot.session.date, snapshot.symbol));
    if (place === undefined || place.to - place.from !== snapshot.bars.start.length) return snapshot;
    const moved = (column: Float64Array, name: string): Float64Array => {
      const own = place.columns.get(name)?.subarray(place.from, place.to) ?? column;
      own.set(column);
      return own;
    };
    return {
      ...snapshot,
      bars: eachColumn(snapshot.bars, moved),
      features: eachColumn(snapshot.features, (column, name) => moved(column, `feature:${name}`)),
    };
  };
};

/**
 * Snapshots as one series for each symbol, symbols and sessions ascending, whatever order they come in. Each lists every
 * session of any symbol, one it has no snapshot of without bars.
 * @throws RangeError when a session of a symbol is there twice, or its bars are of several lengths
 */
export const symbolDataOf = (snapshots: readonly SessionSnapshot[]): readonly SymbolData[] => {
  const bySymbol = Map.groupBy(snapshots, ({ symbol }) => symbol);
  const byDate = new Map(snapshots.map(({ session }) => [session.date, session]));
  const all = [...byDate.values()].toSorted((a, b) => a.openAt - b.openAt);
  return [...bySymbol.keys()].toSorted().map((symbol) => {
    const own = (bySymbol.get(symbol) ?? []).toSorted((a, b) => a.session.openAt - b.session.openAt);
    const [first] = own;
    const barMs = first?.barMs ?? 0;
    const lengths = new Map<string, number>();
    for (const { session, bars, barMs: length } of own) {
      if (length !== barMs) throw new RangeError(`${symbol}: expected bars of ${barMs} ms, found some of ${length} ms`);
      if (lengths.has(session.date))
        throw new RangeError(`${symbol}: expected one snapshot of ${session.date}, found two`);
      lengths.set(session.date, bars.start.length);
    }
    let from = 0;
    const sessions = all.map((session): SeriesSession => {
      const to = from + (lengths.get(session.date) ?? 0);
      const listed = { ...session, from, to };
      from = to;
      return listed;
    });
    const rows = from;
    const bars = Object.fromEntries(
      barColumnNames.map((name) => [
        name,
        joined(
          own.map((part) => part.bars[name]),
          rows,
        ),
      ]),
    ) as Record<(typeof barColumnNames)[number], Float64Array>;
    const features = Object.fromEntries(
      featureNames.map((name) => [
        name,
        joined(
          own.map((part) => part.features[name]),
          rows,
        ),
      ]),
    ) as Record<FeatureName, Float64Array>;
    return { series: { symbol, barMs, ...bars, sessions }, features };
  });
};

/** The sessions of a symbol's data, one snapshot each. */
export const snapshotsOf = ({ series, features }: SymbolData): readonly SessionSnapshot[] =>
  series.sessions.map(({ from, to, ...session }) => ({
    symbol: series.symbol,
    barMs: series.barMs,
    session,
    bars: Object.fromEntries(barColumnNames.map((name) => [name, series[name].subarray(from, to)])) as Record<
      (typeof barColumnNames)[number],
      Float64Array
    >,
    features: Object.fromEntries(featureNames.map((name) => [name, features[name].subarray(from, to)])) as Record<
      FeatureName,
      Float64Array
    >,
  }));
