import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import * as z from 'zod';

/**
 * `npm run requirements`: every row of the requirements with the tests that name it in brackets in their title, such as
 * `it('[E1 E2] …')`. Fails when a row claimed done, or done in part, has no test, or a test names a row that does not exist.
 */

const row = { id: z.string().regex(/^[A-Z]\d+$/), title: z.string().min(1) };
const rowsSchema = z.array(
  z.discriminatedUnion('state', [
    z.strictObject({ ...row, state: z.enum(['planned', 'done']) }),
    z.strictObject({ ...row, state: z.literal('partial'), missing: z.string().min(1) }),
  ]),
);
export type RequirementRow = z.infer<typeof rowsSchema>[number];

export interface TestTitle {
  readonly file: string;
  readonly title: string;
}

const declaresTest = (callee: ts.Expression): boolean =>
  ts.isIdentifier(callee)
    ? ['it', 'test', 'describe'].includes(callee.text)
    : (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee) || ts.isTaggedTemplateExpression(callee)) &&
      declaresTest(ts.isTaggedTemplateExpression(callee) ? callee.tag : callee.expression);

/** Titles of the tests and suites that a source file declares, `it.each(…)('title')` included. */
export const testTitles = (file: string, source: string): readonly TestTitle[] => {
  const titles: TestTitle[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && declaresTest(node.expression)) {
      const [title] = node.arguments;
      if (title !== undefined && ts.isStringLiteralLike(title)) titles.push({ file, title: title.text });
    }
    node.forEachChild(visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true));
  return titles;
};

/** Row ids named in a title: `[E1 E2] persists …` names E1 and E2. */
export const namedRows = (title: string): readonly string[] =>
  [...title.matchAll(/\[([A-Z]\d+(?: [A-Z]\d+)*)\]/g)].flatMap((match) => match[1]?.split(' ') ?? []);

export interface RequirementReport {
  readonly rows: readonly (RequirementRow & { readonly tests: readonly TestTitle[] })[];
  /** One line each; empty when every claim holds. */
  readonly problems: readonly string[];
}

export const reportRequirements = (
  rows: readonly RequirementRow[],
  titles: readonly TestTitle[],
): RequirementReport => {
  const known = new Set(rows.map((row) => row.id));
  const proven = rows.map((row) => ({
    ...row,
    tests: titles.filter(({ title }) => namedRows(title).includes(row.id)),
  }));
  return {
    rows: proven,
    problems: [
      ...proven
        .filter((row) => row.state !== 'planned' && row.tests.length === 0)
        .map((row) => `${row.id}: expected a test that names it, because it is claimed ${row.state}; found none`),
      ...titles.flatMap(({ file, title }) =>
        namedRows(title)
          .filter((id) => !known.has(id))
          .map((id) => `${file}: expected a row of test/requirements.json, found "${id}" in "${title}"`),
      ),
    ],
  };
};

export const readRows = (text: string): readonly RequirementRow[] => rowsSchema.parse(JSON.parse(text));

const print = ({ rows, problems }: RequirementReport): void => {
  for (const row of rows) {
    console.log(`${row.id.padEnd(3)} ${row.state.padEnd(7)} ${row.title}`);
    if (row.state === 'partial') console.log(`      missing: ${row.missing}`);
    for (const test of row.tests) console.log(`      ${test.file}: ${test.title}`);
  }
  const done = rows.filter((row) => row.state === 'done').length;
  console.log(
    `\n${rows.length} rows, ${done} done, ${rows.filter((row) => row.tests.length > 0).length} named by tests`,
  );
  for (const problem of problems) console.error(problem);
};

if (import.meta.main) {
  const root = join(import.meta.dirname, '../..');
  const titles = globSync('test/**/*.test.ts', { cwd: root })
    .toSorted()
    .flatMap((file) => testTitles(file, readFileSync(join(root, file), 'utf8')));
  const report = reportRequirements(readRows(readFileSync(join(root, 'test/requirements.json'), 'utf8')), titles);
  print(report);
  process.exitCode = report.problems.length > 0 ? 1 : 0;
}
