import * as z from 'zod';
import { hashJson, sha256 } from '../canonical-json.ts';

/** What the first entry of a chain follows. */
export const chainStart = '0'.repeat(64);

/** One row of the ledger as it was written, bound to everything written before it. */
export interface ChainEntry {
  /** From 1, without a gap. */
  readonly sequence: number;
  readonly previousHash: string;
  readonly table: string;
  /** Primary key of the row. */
  readonly rowKey: string;
  /** The row as it was written, as text. */
  readonly rowText: string;
  readonly rowHash: string;
  readonly entryHash: string;
}

/** Hash of an entry: of its place, what it follows, and the row. */
export const entryHashOf = (entry: Omit<ChainEntry, 'entryHash' | 'rowText'>): string =>
  hashJson({
    previous_hash: entry.previousHash,
    row_hash: entry.rowHash,
    row_key: entry.rowKey,
    sequence: entry.sequence,
    table: entry.table,
  });

/** Where a chain has to lead: what a checkpoint of it was signed over. */
export const checkpointSchema = z.looseObject({
  chain: z.string().min(1),
  sequence: z.int().min(1),
  entry_hash: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ChainCheckpoint = Pick<z.infer<typeof checkpointSchema>, 'sequence' | 'entry_hash'>;

export const chainFailures = [
  'chain_sequence_broken',
  'chain_link_broken',
  'chain_row_altered',
  'chain_entry_altered',
  'chain_checkpoint_missed',
  'chain_shorter_than_checkpoint',
] as const;
export type ChainFailure = (typeof chainFailures)[number];

export interface ChainFinding {
  readonly code: ChainFailure;
  readonly sequence: number;
  readonly detail: string;
}

/**
 * Walks a chain from its start and stops at the first entry that is not what was written. Reordered, removed, inserted
 * and altered entries are found from the entries alone; a chain cut at its end, or written anew, only by a checkpoint.
 */
export const verifyChain = (
  entries: Iterable<ChainEntry>,
  checkpoints: readonly ChainCheckpoint[],
): { readonly entries: number; readonly head: string; readonly finding: ChainFinding | null } => {
  const expected = new Map(checkpoints.map((checkpoint) => [checkpoint.sequence, checkpoint.entry_hash]));
  let [previous, count] = [chainStart, 0];
  const found = (code: ChainFailure, sequence: number, detail: string) => ({
    entries: count,
    head: previous,
    finding: { code, sequence, detail },
  });
  for (const entry of entries) {
    const { sequence } = entry;
    if (sequence !== count + 1)
      return found('chain_sequence_broken', sequence, `expected entry ${count + 1}, found entry ${sequence}`);
    if (entry.previousHash !== previous)
      return found(
        'chain_link_broken',
        sequence,
        `expected to follow ${previous}, found an entry that follows ${entry.previousHash}`,
      );
    const rowHash = sha256(entry.rowText);
    if (rowHash !== entry.rowHash)
      return found(
        'chain_row_altered',
        sequence,
        `${entry.table} ${entry.rowKey}: expected a row of SHA-256 ${entry.rowHash}, found ${rowHash}`,
      );
    const entryHash = entryHashOf(entry);
    if (entryHash !== entry.entryHash)
      return found(
        'chain_entry_altered',
        sequence,
        `${entry.table} ${entry.rowKey}: expected entry hash ${entryHash}, found ${entry.entryHash}`,
      );
    const signed = expected.get(sequence);
    if (signed !== undefined && signed !== entryHash)
      return found(
        'chain_checkpoint_missed',
        sequence,
        `expected entry hash ${signed} as signed in a checkpoint, found ${entryHash}`,
      );
    previous = entryHash;
    count = sequence;
  }
  const beyond = checkpoints.find(({ sequence }) => sequence > count);
  return beyond === undefined
    ? { entries: count, head: previous, finding: null }
    : found(
        'chain_shorter_than_checkpoint',
        count,
        `expected at least ${beyond.sequence} entries as signed in a checkpoint, found ${count}`,
      );
};
