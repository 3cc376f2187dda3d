import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtInStrategies, parseCatalog, type CatalogEntry } from '@torghut/domain';
import { parse } from 'yaml';

/** The strategies that a deployment starts with, `infra/strategies.yaml`. @throws Error naming every faulty entry. */
export const deployedCatalog = async (): Promise<readonly CatalogEntry[]> => {
  const text = await readFile(join(import.meta.dirname, '..', 'strategies.yaml'), 'utf8');
  const catalog = parseCatalog(parse(text), builtInStrategies);
  if (!catalog.ok)
    throw new Error(
      `strategy catalog: ${catalog.errors.map(({ entry, message }) => `${entry}: ${message}`).join('; ')}`,
    );
  return catalog.entries;
};
