import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { withRunbookIndex } from '../../../infra/constructs/observability/runbook-index.ts';
import { rows } from './watched-stack.ts';

const directory = join(import.meta.dirname, '../../../infra/runbooks');
const readme = join(directory, 'README.md');
const named = [...new Set(rows.map(({ runbook }) => runbook))].toSorted();
const present = readdirSync(directory)
  .filter((file) => file !== 'README.md')
  .toSorted();

const textOf = (file: string): string => readFileSync(join(directory, file), 'utf8');
const sections = ['Look first', 'Likely causes', 'Contain', 'Fix', 'Verify', 'Escalate'];

/** Anchors of a page as they are made of its headings. */
const anchorsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^##? (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );

describe('runbooks', () => {
  it('gives every alarm a runbook, and every runbook an alarm', () => {
    expect(present).toEqual(named);
  });

  it.each(named)('%s says what to look at, what to do, and when to call someone', (file) => {
    const text = textOf(file);
    expect(text).toMatch(/^# \S/);
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(sections);
    // No section is empty, the meaning under the title included.
    for (const part of text.split(/^##? .*$/m).slice(1)) expect(part.trim().length).toBeGreaterThan(0);
  });

  it.each(
    rows.filter(({ runbook, id }) => runbook === `${id}.md`).map(({ runbook, title }) => [runbook, title] as const),
  )('%s has the title of its alarm: %s', (file, title) => {
    expect(textOf(file).split('\n')[0]).toBe(`# ${title}`);
  });

  it.each(['README.md', ...named])('%s links only to what exists', (file) => {
    for (const [, target] of textOf(file).matchAll(/\]\(([^)]+)\)/g)) {
      const [path = '', anchor] = target!.split('#');
      const linked = path === '' ? file : path;
      expect(existsSync(join(directory, linked)), target).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(textOf(linked)), target).toContain(anchor);
    }
  });

  it.each(named)('%s names only API paths that exist', (file) => {
    const api = readFileSync(join(directory, '../../functions/operator-api/run.ts'), 'utf8');
    const routes = [...api.matchAll(/'(\/[a-z/-]+)'/g)].map(([, path]) => path);
    for (const [, path] of textOf(file).matchAll(/`(\/[a-z/-]+)(?:\?[^`]*)?`/g)) expect(routes).toContain(path);
  });

  // `npx vitest run test/infra/observability/runbooks.test.ts --update` writes the index after a change of the table.
  it('lists all alarms in its README as the table has them', async () => {
    await expect(withRunbookIndex(readFileSync(readme, 'utf8'), rows)).toMatchFileSnapshot(readme);
  });

  it('refuses a README without a place for the index', () => {
    expect(() => withRunbookIndex('# Runbooks\n', rows)).toThrow(/expected the lines/);
  });
});
