import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedDirectory } from '../../../infra/local/bars/generate.ts';
import { readBars } from '../../../infra/local/bars/reader.ts';
import { seriesOf } from '../../../infra/local/bars/series.ts';
import { dataOf, type CheckData } from './cross-check.ts';
import type { Peer } from './peers.ts';

/** What a published engine made of the shipped bars, kept so that the engine is held to it where no Python is. */
export interface PublishedResult {
  readonly peer: Peer;
  readonly version: string;
  /** Bars it was given. */
  readonly rows: number;
  /** Row, shares, price, commission, and the equity after that bar. */
  readonly fills: readonly (readonly [number, number, number, number, number])[];
}

export const publishedFile = join(import.meta.dirname, 'published.json');

/** Written by `node test/bench/cross-check.ts --record`. */
export const publishedResults = JSON.parse(readFileSync(publishedFile, 'utf8')) as readonly PublishedResult[];

/** The shipped symbol the results are of. */
export const publishedData = async (): Promise<CheckData> => {
  const [series] = seriesOf(await readBars(generatedDirectory));
  if (series === undefined) throw new Error('expected a shipped series');
  return dataOf('shipped', series);
};
