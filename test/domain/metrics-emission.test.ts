import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { emittedLater, metricDefinitions, type MetricName } from '@torghut/domain';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const sources = ['functions', 'layers/domain/src', 'layers/platform/src'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path: `${folder}/${path}`, text: readFileSync(join(root, folder, path), 'utf8') })),
);

const calls = { counter: 'count', histogram: 'observe', gauge: '(?:gauge|gaugeSample)' } as const;

/** Where the code writes a metric by the call of its kind. */
const emitters = (name: MetricName): string[] => {
  const call = new RegExp(`\\b${calls[metricDefinitions[name].kind]}\\(\\s*'${name}'`);
  return sources.filter(({ text }) => call.test(text)).map(({ path }) => path);
};

/** Their code is there, and measures rows that nothing writes yet. */
const awaitingRows: readonly MetricName[] = ['drill_age_hours'];

describe('every metric', () => {
  it.each(Object.keys(metricDefinitions) as MetricName[])(
    '%s is emitted by the code, or by a later capability',
    (name) => {
      const isLater = name in emittedLater;
      expect(emitters(name).length > 0).toBe(!isLater || awaitingRows.includes(name));
    },
  );
});
