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

/** A place in a chain: how many entries lead to it, and the hash of the last of them. */
export interface ChainPlace {
  readonly sequence: number;
  readonly head: string;
}

/** Before the first entry. */
export const chainOrigin: ChainPlace = { sequence: 0, head: chainStart };

export interface ChainWalk {
  /** Null as long as every entry is what was written; what comes after a finding is not looked at. */
  take(entry: ChainEntry): ChainFinding | null;
  /** What the end of the entries says. */
  end(): ChainFinding | null;
  place(): ChainPlace;
}

const finding = (code: ChainFailure, sequence: number, detail: string): ChainFinding => ({ code, sequence, detail });

/**
 * Walks a chain entry by entry. Reordered, removed, inserted and altered entries are found from the entries alone; a chain
 * cut at its end, or written anew, only by a checkpoint.
 * @param from where the walk begins; checkpoints before it are not looked at
 */
export const walkChain = (checkpoints: readonly ChainCheckpoint[], from = chainOrigin): ChainWalk => {
  const signedAt = Map.groupBy(checkpoints, ({ sequence }) => sequence);
  const last = Math.max(0, ...signedAt.keys());
  let [count, previous] = [from.sequence, from.head];

  const check = (entry: ChainEntry): ChainFinding | null => {
    const { sequence } = entry;
    if (sequence !== count + 1)
      return finding('chain_sequence_broken', sequence, `expected entry ${count + 1}, found entry ${sequence}`);
    if (entry.previousHash !== previous)
      return finding(
        'chain_link_broken',
        sequence,
        `expected to follow ${previous}, found an entry that follows ${entry.previousHash}`,
      );
    const rowHash = sha256(entry.rowText);
    if (rowHash !== entry.rowHash)
      return finding(
        'chain_row_altered',
        sequence,
        `${entry.table} ${entry.rowKey}: expected a row of SHA-256 ${entry.rowHash}, found ${rowHash}`,
      );
    const entryHash = entryHashOf(entry);
    if (entryHash !== entry.entryHash)
      return finding(
        'chain_entry_altered',
        sequence,
        `${entry.table} ${entry.rowKey}: expected entry hash ${entryHash}, found ${entry.entryHash}`,
      );
    // Two checkpoints of one entry may not disagree: whoever signed both told two stories.
    const missed = signedAt.get(sequence)?.find((signed) => signed.entry_hash !== entryHash);
    return missed === undefined
      ? null
      : finding(
          'chain_checkpoint_missed',
          sequence,
          `expected entry hash ${missed.entry_hash} as signed in a checkpoint, found ${entryHash}`,
        );
  };

  return {
    take: (entry) => {
      const found = check(entry);
      if (found === null) [count, previous] = [entry.sequence, entry.entryHash];
      return found;
    },
    end: () =>
      last <= count
        ? null
        : finding(
            'chain_shorter_than_checkpoint',
            count,
            `expected at least ${last} entries as signed in a checkpoint, found ${count}`,
          ),
    place: () => ({ sequence: count, head: previous }),
  };
};

/** Walks a whole chain from its start and stops at the first entry that is not what was written. */
export const verifyChain = (
  entries: Iterable<ChainEntry>,
  checkpoints: readonly ChainCheckpoint[],
): { readonly entries: number; readonly head: string; readonly finding: ChainFinding | null } => {
  const walk = walkChain(checkpoints);
  const ended = (found: ChainFinding | null) => {
    const { sequence, head } = walk.place();
    return { entries: sequence, head, finding: found };
  };
  for (const entry of entries) {
    const found = walk.take(entry);
    if (found !== null) return ended(found);
  }
  return ended(walk.end());
};
