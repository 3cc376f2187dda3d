import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { featureContractHash, featureFields, parseInstant, type FeatureName, type Ticker } from '@torghut/domain';
import {
  decodeSnapshot,
  encodeSnapshot,
  snapshotsOf,
  storedSnapshot,
  symbolDataOf,
  type FeatureColumns,
  type SessionSnapshot,
} from '@torghut/domain/research';

const barNames = ['start', 'open', 'high', 'low', 'close', 'volume', 'halfSpread'] as const;
const value = fc.oneof(fc.double({ noDefaultInfinity: true }), fc.constant(Number.NaN), fc.constant(-0));
const date = (day: number) => `2026-02-${String(day).padStart(2, '0')}`;

const snapshotOf = (symbol: string, day: number, rows: number, draw: (index: number) => number): SessionSnapshot => {
  let index = 0;
  const column = (): Float64Array => Float64Array.from({ length: rows }, () => draw(index++));
  return {
    symbol: symbol as Ticker,
    barMs: 60_000,
    session: {
      date: date(day),
      kind: 'full',
      openAt: parseInstant(`${date(day)}T14:30:00.000Z`),
      closeAt: parseInstant(`${date(day)}T21:00:00.000Z`),
    },
    bars: Object.fromEntries(barNames.map((name) => [name, column()])) as Record<
      (typeof barNames)[number],
      Float64Array
    >,
    features: Object.fromEntries(featureFields.map(({ name }) => [name, column()])) as Record<
      FeatureName,
      Float64Array
    > satisfies FeatureColumns,
  };
};

describe('a snapshot of a session', () => {
  it('comes back from its bytes with every bit, unknown values included', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.array(value, { minLength: 1, maxLength: 200 }), (rows, values) => {
        const snapshot = snapshotOf('NVDA', 3, rows, (index) => values[index % values.length] ?? 0);
        expect(decodeSnapshot(encodeSnapshot(snapshot))).toEqual({ ok: true, snapshot });
      }),
    );
  });

  it('has one content hash whatever bits its unknown values carry', () => {
    const odd = new Float64Array(1);
    new BigUint64Array(odd.buffer)[0] = 0x7ff8_0000_0000_0abcn;
    const plain = snapshotOf('NVDA', 3, 5, () => Number.NaN);
    const strange = snapshotOf('NVDA', 3, 5, () => odd[0] ?? 0);
    expect(storedSnapshot(strange).sha256).toBe(storedSnapshot(plain).sha256);
  });

  it('is refused with what was expected when its bytes are too few, too many, or of another layout', () => {
    const bytes = encodeSnapshot(snapshotOf('NVDA', 3, 4, (index) => index));
    const end = bytes.indexOf(10);
    const relabelled = new TextDecoder('latin1').decode(bytes).replace('"rows":4', '"rows":5');
    const foreign = new TextDecoder('latin1').decode(bytes).replace(featureContractHash, 'f'.repeat(64));
    const cases: readonly (readonly [Uint8Array, RegExp])[] = [
      [bytes.subarray(0, -8), /expected \d+ bytes for 4 rows of 24 columns, found \d+/],
      [new Uint8Array([...bytes, 0]), /expected \d+ bytes/],
      [bytes.subarray(end + 1), /no end of line|expected/i],
      [Uint8Array.from(relabelled, (character) => character.charCodeAt(0)), /for 5 rows/],
      [Uint8Array.from(foreign, (character) => character.charCodeAt(0)), /features of the contract/],
      [new TextEncoder().encode('{"schema_version":"torghut.dataset-snapshot.v2"}\n'), /torghut\.dataset-snapshot\.v1/],
    ];
    for (const [found, message] of cases) {
      const decoded = decodeSnapshot(found);
      expect(decoded).toMatchObject({ ok: false, code: 'snapshot_malformed' });
      expect(decoded.ok ? '' : decoded.detail).toMatch(message);
    }
  });

  it('refuses columns of different lengths instead of writing a file nobody can read', () => {
    const snapshot = snapshotOf('NVDA', 3, 4, (index) => index);
    const uneven = { ...snapshot, bars: { ...snapshot.bars, close: new Float64Array(3) } };
    expect(() => encodeSnapshot(uneven)).toThrow('expected 4 values of close, found 3');
  });
});

describe('snapshots of many sessions', () => {
  const all = [4, 2, 3].flatMap((day) =>
    ['NVDA', 'AAPL'].map((symbol) => snapshotOf(symbol, day, day, (index) => day * 100 + index)),
  );

  it('join to the same series in any order, and come apart again', () => {
    const data = symbolDataOf(all);
    expect(symbolDataOf(all.toReversed())).toEqual(data);
    expect(data.map(({ series }) => series.symbol)).toEqual(['AAPL', 'NVDA']);
    expect(data[0]?.series.sessions.map(({ from, to }) => [from, to])).toEqual([
      [0, 2],
      [2, 5],
      [5, 9],
    ]);
    const hashes = (snapshots: readonly SessionSnapshot[]) =>
      snapshots.map((snapshot) => storedSnapshot(snapshot).sha256).toSorted();
    expect(hashes(data.flatMap(snapshotsOf))).toEqual(hashes(all));
  });

  it('list a session that only another symbol traded in, without bars', () => {
    const holey = all.filter(({ symbol, session }) => symbol !== 'AAPL' || session.date !== date(3));
    expect(symbolDataOf(holey)[0]?.series.sessions.map(({ date: of, from, to }) => [of, from, to])).toEqual([
      [date(2), 0, 2],
      [date(3), 2, 2],
      [date(4), 2, 6],
    ]);
  });

  it('are refused when a session of a symbol is there twice, or bars are of two lengths', () => {
    const [first, ...others] = all;
    expect(() => symbolDataOf([...all, ...(first === undefined ? [] : [first])])).toThrow(
      /one snapshot of .* found two/,
    );
    const longer = others.map((snapshot) => ({ ...snapshot, barMs: 1_000 }));
    expect(() => symbolDataOf([...(first === undefined ? [] : [first]), ...longer])).toThrow(/bars of/);
  });
});
