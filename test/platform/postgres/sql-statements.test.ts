import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitStatements } from '../../../layers/platform/src/postgres/sql-statements.ts';

describe('splitting a script into statements', () => {
  it.each([
    ['a quoted semicolon', `SELECT 'a;b''c'`],
    ['a quoted name', 'SELECT 1 AS "a;b"'],
    ['a dollar-quoted body', 'DO $$ BEGIN NULL; END $$'],
    ['a tagged body with another inside', 'DO $body$ BEGIN PERFORM $$;$$; END $body$'],
    ['a comment', 'SELECT 1 -- one;\n + 1'],
    ['a block comment', 'SELECT /* ; */ 1'],
  ])('does not split at %s', (_, statement) => {
    expect(splitStatements(`${statement};SELECT 2`).map(({ text }) => text)).toEqual([statement, 'SELECT 2']);
  });

  it('gives the line a statement begins at, past its comments', () => {
    expect(splitStatements('-- first\nSELECT 1;\n\n/* second */\nSELECT\n2;\n-- end\n')).toEqual([
      { text: 'SELECT 1', line: 2 },
      { text: 'SELECT\n2', line: 5 },
    ]);
  });

  it('keeps every statement, whatever their number and quoting', () => {
    const part = fc.constantFrom(`'x;'`, '1', '"y;"', '$$;$$', '$t$ ; $t$');
    const statements = fc.array(
      part.map((value) => `SELECT ${value}`),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(statements, (expected) => {
        expect(splitStatements(expected.join(';\n')).map(({ text }) => text)).toEqual(expected);
      }),
    );
  });
});
