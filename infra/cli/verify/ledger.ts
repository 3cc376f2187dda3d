import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { chainLines, verifyLedgerChain, type ChainedLedger, type EvidenceReads } from '@torghut/domain/evidence';
import { postgresResearchChain } from '@torghut/platform';
import { withLedger } from '../ledger-connection.ts';
import { chainVerification, type Verification } from './report.ts';
import type { Trust } from './subjects.ts';

/** What the ledger says of a run: the manifest that counts, or none. */
export interface LedgerRun {
  readonly status: string;
  readonly manifestSha256: string | null;
}

export interface OpenLedger {
  readonly chain: ChainedLedger;
  /** Null when the ledger does not know the run. */
  readonly run: (runId: string) => Promise<LedgerRun | null>;
}

/** Reads the ledger that DATABASE_URL names as of one moment. */
export const readLedger = async <T>(read: (ledger: OpenLedger) => Promise<T>): Promise<T> => {
  const results: T[] = [];
  await withLedger('torghut-verify', async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const result = await read({
      chain: postgresResearchChain(client),
      run: async (runId) => {
        const { rows } = await client.query<LedgerRun>(
          'SELECT status, manifest_sha256 AS "manifestSha256" FROM research_runs WHERE run_id = $1',
          [runId],
        );
        return rows[0] ?? null;
      },
    });
    await client.query('COMMIT');
    results.push(result);
  });
  const [result] = results;
  if (result === undefined) throw new Error('expected what was read from the ledger, found nothing');
  return result;
};

/** Checks the chain of the ledger, and its rows. */
export const verifyLedger = async (
  chain: ChainedLedger,
  store: EvidenceReads | null,
  trust: Trust,
): Promise<Verification> => chainVerification(await verifyLedgerChain(chain, store, trust));

/** Writes the chain with its checkpoints to a file, so that it can be checked elsewhere. */
export const exportChain = async (chain: ChainedLedger, file: string): Promise<void> => {
  const out = createWriteStream(file, { flags: 'wx' });
  await once(out, 'open');
  for await (const line of chainLines(chain)) if (!out.write(`${line}\n`)) await once(out, 'drain');
  out.end();
  await once(out, 'finish');
};
