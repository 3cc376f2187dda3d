import { backfillProvenance } from '@torghut/platform';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { testDatabase } from '../../support/postgres.ts';
import type { TestDatabase } from '../../support/postgres.ts';
import { insertRow, insertSampleRows, sampleRow } from '../../support/rows.ts';
import type { Row } from '../../support/rows.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
  await insertSampleRows(db.app, 'trade_decisions');
});
beforeEach(() => db.owner.query('DELETE FROM executions'));
afterAll(() => db.close());

let serial = 0;
const imported = async (rawOrder: Row, stored: Row = {}): Promise<string> => {
  serial += 1;
  const { id: _id, trade_decision_id: _decision, ...row } = sampleRow('executions');
  const { id } = await insertRow(db.owner, 'executions', {
    ...row,
    client_order_id: null,
    alpaca_order_id: `historic-${serial}`,
    execution_expected_adapter: 'unknown',
    execution_actual_adapter: 'unknown',
    provenance_source: 'backfill',
    raw_order: rawOrder,
    ...stored,
  });
  return id as string;
};

const provenance = async (id: string): Promise<readonly unknown[]> => {
  const { rows } = await db.app.query<{ expected: string; actual: string; count: number; reason: string | null }>(
    `SELECT execution_expected_adapter AS expected, execution_actual_adapter AS actual, execution_fallback_count AS count,
       execution_fallback_reason AS reason FROM executions WHERE id = $1`,
    [id],
  );
  return [rows[0]!.expected, rows[0]!.actual, rows[0]!.count, rows[0]!.reason];
};

/** Raw markers -> expected, actual, fallback count, fallback reason. */
const fixtures: readonly (readonly [Row, readonly [string, string, number, string | null]])[] = [
  [
    { _execution_adapter: 'alpaca_fallback', _execution_fallback_reason: 'lean_submit_order_timeout' },
    ['lean', 'alpaca', 1, 'lean_submit_order_timeout'],
  ],
  [{ _execution_route_expected: 'lean', _execution_route_actual: 'lean' }, ['lean', 'lean', 0, null]],
  [{ _execution_adapter: ' LEAN ' }, ['lean', 'lean', 0, null]],
  [{}, ['unknown', 'unknown', 0, null]],
  [
    { _execution_route_expected: 'lean', _execution_route_actual: 'alpaca', _execution_fallback_count: 0 },
    ['lean', 'alpaca', 1, 'fallback_from_lean_to_alpaca'],
  ],
  [{ _execution_adapter: 'ib' }, ['unknown', 'unknown', 0, null]],
];

describe('provenance backfill', () => {
  it.each(fixtures)('[E3] derives %j as %j', async (rawOrder, expected) => {
    const id = await imported(rawOrder);
    await backfillProvenance(db.owner, { dryRun: false });
    expect(await provenance(id)).toEqual(expected);
  });

  it('[E3] counts in a dry run without writing, changes once, and finds nothing to change a second time', async () => {
    const ids: string[] = [];
    for (const [rawOrder] of fixtures) ids.push(await imported(rawOrder));
    const counted = {
      outcomes: [
        { expected: 'lean', actual: 'alpaca', rows: 2, changed: 2 },
        { expected: 'lean', actual: 'lean', rows: 2, changed: 2 },
        { expected: 'unknown', actual: 'unknown', rows: 2, changed: 0 },
      ],
      rows: 6,
      changed: 4,
      coverage: 4 / 6,
    };

    expect(await backfillProvenance(db.owner, { dryRun: true })).toEqual({ dryRun: true, ...counted });
    expect(await Promise.all(ids.map(provenance))).toEqual(ids.map(() => ['unknown', 'unknown', 0, null]));
    expect(await backfillProvenance(db.owner, { dryRun: false })).toEqual({ dryRun: false, ...counted });
    expect(await Promise.all(ids.map(provenance))).toEqual(fixtures.map(([, expected]) => expected));
    expect(await backfillProvenance(db.owner, { dryRun: false })).toMatchObject({ changed: 0, rows: 6 });
    expect(await backfillProvenance(db.owner, { dryRun: true })).toMatchObject({ changed: 0, rows: 6 });
  });

  it('[E3] corrects an older backfill that stored alpaca as expected for a fallback', async () => {
    const id = await imported(
      { _execution_route_actual: 'Alpaca_Fallback', _execution_fallback_count: '2', _fallback_reason: 'breaker_open' },
      { execution_expected_adapter: 'alpaca', execution_actual_adapter: 'alpaca' },
    );
    await backfillProvenance(db.owner, { dryRun: false });
    expect(await provenance(id)).toEqual(['lean', 'alpaca', 2, 'breaker_open']);
  });

  it('[E3] keeps a stored adapter that is known against a marker, and fills in one that is not', async () => {
    const id = await imported(
      { _execution_route_actual: 'lean', _execution_route_expected: 'alpaca' },
      { execution_expected_adapter: 'lean' },
    );
    await backfillProvenance(db.owner, { dryRun: false });
    expect(await provenance(id)).toEqual(['lean', 'lean', 0, null]);
  });

  it.each<[string, Row, number]>([
    ['negative', { _execution_fallback_count: -1 }, 0],
    ['a fraction', { _execution_fallback_count: 1.5 }, 0],
    ['a word', { _execution_fallback_count: 'one' }, 0],
    ['longer than any count', { _execution_fallback_count: '99999999999' }, 0],
    ['text with blanks', { _execution_fallback_count: ' 3 ' }, 3],
  ])('[E3] reads a fallback count that is %s', async (_, marker, count) => {
    const id = await imported({ _execution_adapter: 'lean', ...marker });
    await backfillProvenance(db.owner, { dryRun: false });
    expect((await provenance(id))[2]).toBe(count);
  });

  it('[E2] [E3] leaves executions alone whose route is known from their own submit', async () => {
    const { id: _id, ...row } = sampleRow('executions', { raw_order: { _execution_adapter: 'alpaca_fallback' } });
    const { id } = await insertRow(db.app, 'executions', row);
    expect(await backfillProvenance(db.owner, { dryRun: false })).toEqual({
      dryRun: false,
      outcomes: [],
      rows: 0,
      changed: 0,
      coverage: null,
    });
    expect(await provenance(id as string)).toEqual(['lean', 'lean', 0, null]);
  });

  it('[E3] is idempotent and meets the constraints for any markers and stored columns', async () => {
    const word = fc.constantFrom('lean', 'alpaca', 'alpaca_fallback', 'unknown', 'ib', ' LEAN', '', '  ', null, 7);
    const markers = fc.record(
      {
        _execution_route_actual: word,
        _execution_adapter: word,
        execution_actual_adapter: word,
        _execution_route_expected: word,
        execution_expected_adapter: word,
        _execution_fallback_count: fc.constantFrom(0, 1, 3, -1, '2', '', null, 1e12),
        _execution_fallback_reason: fc.constantFrom('lean_submit_order_timeout', ' ', '\t', null, 'r'.repeat(200)),
        _fallback_reason: fc.constantFrom('breaker_open', '', null),
      },
      { requiredKeys: [] },
    );
    const pair = fc.constantFrom(['unknown', 'unknown'], ['lean', 'lean'], ['alpaca', 'alpaca'], ['unknown', 'alpaca']);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(markers, pair), { minLength: 5, maxLength: 20 }), async (orders) => {
        await db.owner.query('DELETE FROM executions');
        for (const [rawOrder, [expected, actual]] of orders) {
          await imported(rawOrder, { execution_expected_adapter: expected, execution_actual_adapter: actual });
        }
        const dry = await backfillProvenance(db.owner, { dryRun: true });
        const real = await backfillProvenance(db.owner, { dryRun: false });
        expect({ ...real, dryRun: true }).toEqual(dry);
        expect(real.rows).toBe(orders.length);
        expect((await backfillProvenance(db.owner, { dryRun: false })).changed).toBe(0);
      }),
      { numRuns: 15 },
    );
  });

  it('is refused to anyone but the owner', async () => {
    await expect(backfillProvenance(db.app, { dryRun: true })).rejects.toMatchObject({ code: '42501' });
  });
});
