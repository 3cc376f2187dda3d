import { join } from 'node:path';
import type { CatalogEntry } from '@torghut/domain';
import { type LedgerRelease, readCatalog, readLedgerRelease } from '@torghut/platform';

const root = join(import.meta.dirname, '../..');
const catalogFile = join(root, 'infra/strategies.yaml');

/** The strategies that a deployment starts with, `infra/strategies.yaml`. @throws Error naming every faulty entry. */
export const deployedCatalog = (): Promise<readonly CatalogEntry[]> => readCatalog(catalogFile);

/** What this repository brings into a ledger. @throws Error naming every faulty entry of the catalog. */
export const deployedRelease = (): Promise<LedgerRelease> =>
  readLedgerRelease(join(root, 'migrations/postgres'), catalogFile);
