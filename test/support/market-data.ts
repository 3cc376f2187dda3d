import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Sets of real bars used by tests; they are input only and never part of the repository. */
export type MarketDataSet = 'us-1m-2018' | 'us-2013-2023' | 'spy-1m-extended-2025';

const root = resolve(process.env.TORGHUT_MARKET_DATA ?? join(import.meta.dirname, '../../../shared/market-data'));

/** Directory of a set of real bars, or null where it is absent. */
export const marketDataDirectory = (set: MarketDataSet): string | null => {
  const directory = join(root, set);
  return existsSync(directory) ? directory : null;
};

/** Why a test that needs a set is skipped; null when the set is there. Append it to the title. */
export const missingMarketData = (set: MarketDataSet): string | null =>
  marketDataDirectory(set) === null ? `skipped: no real bars in ${join(root, set)}; set TORGHUT_MARKET_DATA` : null;
