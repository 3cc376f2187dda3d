import { readFile } from 'node:fs/promises';
import { builtInStrategies, type CatalogEntry, parseCatalog } from '@torghut/domain';
import type { LedgerRelease } from './prepare-ledger.ts';

/**
 * @param migrations directory of the SQL files
 * @param catalog the strategy catalog, a YAML file
 * @throws Error naming every faulty entry of the catalog
 */
export const readLedgerRelease = async (migrations: string, catalog: string): Promise<LedgerRelease> => ({
  migrations,
  catalog: await readCatalog(catalog),
});

/** @throws Error naming every faulty entry */
export const readCatalog = async (file: string): Promise<readonly CatalogEntry[]> => {
  // Read when it is needed: a parser that only a deployment uses has no place in the start of every function.
  // A CommonJS module that is bundled apart has a default export only.
  const { default: yaml } = await import('yaml');
  const catalog = parseCatalog(yaml.parse(await readFile(file, 'utf8')), builtInStrategies);
  if (catalog.ok) return catalog.entries;
  const faults = catalog.errors.map(({ entry, message }) => `${entry}: ${message}`);
  throw new Error(`strategy catalog: ${faults.join('; ')}; correct ${file}`);
};
