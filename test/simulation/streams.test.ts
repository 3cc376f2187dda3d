import { describe, expect, it } from 'vitest';
import type { ClickHouse, ClickHouseAnswer, ClickHouseQuery } from '@torghut/platform';
import { rememberedStreams } from './streams.ts';

/** A store that answers each question with how many it was asked before; `failing` fails the first so many. */
const counting = (failing = 0): ClickHouse => {
  let asked = 0;
  return {
    query: <Row>() => {
      asked += 1;
      const answer: ClickHouseAnswer<readonly unknown[]> =
        asked <= failing ? { ok: false, failure: 'timeout', detail: 'late' } : { ok: true, rows: [[asked]] };
      return Promise.resolve(answer as ClickHouseAnswer<Row>);
    },
    close: () => Promise.resolve(),
  };
};
const read: ClickHouseQuery<readonly unknown[]> = {
  sql: 'SELECT 1 FROM simulation_1_clean.ta_signals',
  parameters: { at: 1 },
};

describe('remembered streams', () => {
  it.each<[string, ClickHouseQuery<readonly unknown[]>, boolean]>([
    ['the same question', { ...read, parameters: { at: 1 } }, true],
    ['another parameter', { ...read, parameters: { at: 2 } }, false],
    ['another setting', { ...read, settings: { max_threads: 1 } }, false],
    ['the same with rows made by another run', { ...read, row: (values: readonly unknown[]) => values }, true],
    ['another statement', { ...read, sql: `${read.sql} LIMIT 1` }, false],
  ])('answer from memory only what was asked before: %s', async (_what, again, isKept) => {
    const streams = rememberedStreams(counting());
    const first = await streams.query(read);
    const second = await streams.query(again);
    expect(second).toEqual(isKept ? first : { ok: true, rows: [[2]] });
  });

  it('keeps no failure', async () => {
    const streams = rememberedStreams(counting(1));
    expect(await streams.query(read)).toMatchObject({ ok: false });
    expect(await streams.query(read)).toEqual({ ok: true, rows: [[2]] });
  });

  it('lets no reader change what the next one is told', async () => {
    const streams = rememberedStreams(counting());
    const answer = await streams.query(read);
    expect(() => {
      (answer as unknown as { rows: unknown[][] }).rows[0]![0] = 7;
    }).toThrow(TypeError);
    expect(await streams.query(read)).toEqual({ ok: true, rows: [[1]] });
  });
});
