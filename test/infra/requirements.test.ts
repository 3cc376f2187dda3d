import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { namedRows, readRows, reportRequirements, testTitles } from '../../infra/cli/requirements.ts';

const rows = readRows(
  '[{"id":"E1","title":"provenance","state":"done"},{"id":"E10","title":"one effect","state":"planned"}]',
);

describe('the report on requirements', () => {
  it('reads titles of tests and suites in every form', () => {
    const source = `
      describe('a', () => { it('b', () => {}); it.each([[1]])('c %s', () => {}); test.skipIf(true)('d', () => {}); it(\`e\`, () => {}); });
      it.each\`x\`('f', () => {}); print('not a title');
    `;
    expect(testTitles('x.test.ts', source).map(({ title }) => title)).toEqual(['a', 'b', 'c %s', 'd', 'e', 'f']);
  });

  it('reads the rows a title names', () => {
    expect(namedRows('[E1 E10] one effect, [S3] alarmed')).toEqual(['E1', 'E10', 'S3']);
    expect(namedRows('takes [a list] and array[E1x]')).toEqual([]);
  });

  it('lists each row with exactly the tests that name it', () => {
    const report = reportRequirements(rows, [{ file: 'x.test.ts', title: '[E10] sends once' }]);
    expect(report.rows.map(({ id, tests }) => [id, tests.length])).toEqual([
      ['E1', 0],
      ['E10', 1],
    ]);
  });

  it('fails on a row that is claimed done and named by no test, and on a row that does not exist', () => {
    expect(reportRequirements(rows, [{ file: 'x.test.ts', title: '[E99] sends once' }]).problems).toEqual([
      'E1: expected a test that names it, because it is claimed done; found none',
      'x.test.ts: expected a row of test/requirements.json, found "E99" in "[E99] sends once"',
    ]);
    expect(reportRequirements(rows, [{ file: 'x.test.ts', title: '[E1] stores both adapters' }]).problems).toEqual([]);
  });

  it('has a table with every row once', () => {
    const ids = readRows(readFileSync(new URL('../requirements.json', import.meta.url), 'utf8')).map(({ id }) => id);
    expect(ids).toHaveLength(61);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
