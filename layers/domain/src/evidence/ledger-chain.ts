import { sha256 } from '../canonical-json.ts';
import type { Instant } from '../instant.ts';
import {
  chainOrigin,
  walkChain,
  type ChainCheckpoint,
  type ChainEntry,
  type ChainFailure,
  type ChainFinding,
} from './chain.ts';
import {
  checkpointKey,
  checkpointPrefix,
  checkpointStatement,
  readCheckpoint,
  type CheckpointFailure,
} from './checkpoint.ts';
import { sealStatement, type Signer } from './envelope.ts';
import type { VerificationKey } from './published-key.ts';
import type { EvidenceReads, EvidenceStore } from './store.ts';

/** A signed checkpoint as the ledger keeps it. */
export interface CheckpointRow {
  readonly sequence: number;
  readonly entryHash: string;
  readonly signingKeyId: string;
  readonly envelope: string;
  /** Where the store has the same envelope. */
  readonly storeKey: string;
}

/** How a row of the ledger differs from the newest entry of it. */
export interface RowDifference {
  readonly code: 'row_altered' | 'row_missing' | 'row_unchained';
  readonly table: string;
  readonly rowKey: string;
  /** Of that entry; null when there is none. */
  readonly sequence: number | null;
  readonly columns: readonly string[];
}

/** The chain over the research ledger, read as of one moment. */
export interface ChainReads {
  /** Entries beyond a sequence number, in batches, in order. */
  entriesAfter(sequence: number): AsyncIterable<readonly ChainEntry[]>;
  /** In the order of the chain. */
  checkpoints(): Promise<readonly CheckpointRow[]>;
}

/** The ledger itself: an export of its chain has no rows to compare. */
export interface ChainedLedger extends ChainReads {
  /** Rows that are not as their newest entry says; the first hundred of each table. */
  rowDifferences(): Promise<readonly RowDifference[]>;
}

export const ledgerFailures = [
  'chain_empty',
  'chain_unsigned',
  'checkpoint_row_altered',
  'checkpoint_row_missing',
  'checkpoint_object_missing',
  'checkpoint_object_altered',
  'row_altered',
  'row_missing',
  'row_unchained',
] as const;
export type LedgerFailure = (typeof ledgerFailures)[number] | ChainFailure | CheckpointFailure;

export interface LedgerFinding {
  readonly code: LedgerFailure;
  /** Entry, checkpoint or row it is about. */
  readonly place: string;
  readonly detail: string;
}

export interface ChainCheck {
  /** Empty exactly when the chain is whole, signed, and what the rows say. */
  readonly findings: readonly LedgerFinding[];
  readonly entries: number;
  readonly head: string;
  /** Checkpoints with a good signature. */
  readonly checkpoints: number;
  /** Entries after the last of them: bound to it, and not yet signed. */
  readonly unsigned: number;
  readonly rowsCompared: boolean;
}

const differs: Readonly<Record<RowDifference['code'], (one: RowDifference) => string>> = {
  row_altered: ({ columns, sequence }) =>
    `expected what entry ${sequence ?? 0} says, found other values of ${columns.join(', ')}`,
  row_missing: ({ sequence }) => `expected the row of entry ${sequence ?? 0}, found none`,
  row_unchained: () => 'expected an entry of this row, found none: it was not written through the ledger',
};

/**
 * Checks the whole chain: every link, every signed checkpoint in the ledger and in the store, and where there are rows,
 * each of them against its newest entry. An empty or unsigned chain is a finding: nothing was shown.
 * @param store where checkpoints are kept outside of the database; null leaves them out
 */
export const verifyLedgerChain = async (
  chain: ChainReads | ChainedLedger,
  store: EvidenceReads | null,
  { trusted, now }: { readonly trusted: readonly VerificationKey[]; readonly now: Instant },
): Promise<ChainCheck> => {
  const findings: LedgerFinding[] = [];
  const found = (code: LedgerFailure, place: string, detail: string): void =>
    void findings.push({ code, place, detail });
  const signed: ChainCheckpoint[] = [];
  const take = (envelope: string, place: string) => {
    const check = readCheckpoint(envelope, trusted, now);
    if (check.ok) signed.push(check.checkpoint);
    else found(check.code, place, check.detail);
    return check.ok ? check : null;
  };

  const rows = await chain.checkpoints();
  for (const { sequence, entryHash, signingKeyId, envelope, storeKey } of rows) {
    const place = `checkpoint ${sequence}`;
    const check = take(envelope, place);
    if (check === null) continue;
    const { checkpoint, keyId } = check;
    if (checkpoint.sequence !== sequence || checkpoint.entry_hash !== entryHash)
      found(
        'checkpoint_row_altered',
        place,
        `expected entry ${checkpoint.sequence} ${checkpoint.entry_hash} as signed, found entry ${sequence} ${entryHash}`,
      );
    else if (signingKeyId !== keyId)
      found('checkpoint_row_altered', place, `expected key ${keyId} as signed, found ${signingKeyId}`);
    else if (storeKey !== checkpointKey(sequence, sha256(envelope)))
      found('checkpoint_row_altered', place, `expected the key of its content, found ${storeKey}`);
  }
  if (store !== null) {
    const byKey = new Map(rows.map((row) => [row.storeKey, row]));
    const keys = new Set(await store.list(checkpointPrefix));
    for (const { storeKey, sequence } of rows)
      if (!keys.has(storeKey))
        found('checkpoint_object_missing', storeKey, `expected checkpoint ${sequence} in the store, found no object`);
    for (const key of keys) {
      const bytes = (await store.get(key)) ?? new Uint8Array();
      const text = new TextDecoder().decode(bytes);
      const row = byKey.get(key);
      if (row !== undefined && row.envelope === text) continue;
      if (!key.endsWith(`-${sha256(bytes)}.json`))
        found('checkpoint_object_altered', key, 'expected the bytes its key names, found others');
      else {
        // Signed and stored, then lost or removed with a rewritten ledger: it still says where the chain has to lead.
        const check = take(text, key);
        if (check !== null && !rows.some((one) => isSame(one, check.checkpoint.sequence, check.keyId)))
          found('checkpoint_row_missing', key, 'expected a row of this checkpoint in the ledger, found none');
      }
    }
  }

  const walk = walkChain(signed);
  let broken = false;
  for await (const batch of chain.entriesAfter(0)) {
    for (const entry of batch) {
      const finding = walk.take(entry);
      if (finding === null) continue;
      found(finding.code, `entry ${finding.sequence}`, finding.detail);
      broken = true;
      break;
    }
    if (broken) break;
  }
  const { sequence: entries, head } = walk.place();
  const end = broken ? null : walk.end();
  if (end !== null) found(end.code, `entry ${end.sequence}`, end.detail);
  const last = Math.max(0, ...signed.map(({ sequence }) => sequence));
  if (entries === 0 && !broken) found('chain_empty', 'chain', 'expected entries, found none: nothing was shown');
  else if (last === 0) found('chain_unsigned', 'chain', `expected a checkpoint by a trusted key, found none`);
  if ('rowDifferences' in chain)
    for (const row of await chain.rowDifferences())
      found(row.code, `${row.table} ${row.rowKey}`, differs[row.code](row));
  return {
    findings,
    entries,
    head,
    checkpoints: signed.length,
    unsigned: Math.max(0, entries - last),
    rowsCompared: 'rowDifferences' in chain,
  };
};

export interface CheckpointPorts {
  readonly chain: ChainReads & { appendCheckpoint(row: CheckpointRow, at: Instant): Promise<void> };
  readonly store: EvidenceStore;
  readonly signer: Signer;
  /** Keys whose checkpoints the next one may follow. */
  readonly trusted: readonly VerificationKey[];
}

export type CheckpointOutcome =
  | {
      readonly ok: true;
      /** Null when nothing was written since the last checkpoint. */
      readonly signed: ChainCheckpoint | null;
      /** Checkpoints that the store had and the ledger had not. */
      readonly adopted: number;
    }
  | { readonly ok: false; readonly finding: LedgerFinding };

/**
 * Signs where the chain leads now, first into the store and then into the ledger, which is given what it lacks of the
 * store. A chain that does not follow its last checkpoint, or is shorter than any, is not signed.
 */
export const signCheckpoint = async (
  { chain, store, signer, trusted }: CheckpointPorts,
  now: Instant,
): Promise<CheckpointOutcome> => {
  const refused = (code: LedgerFailure, place: string, detail: string): CheckpointOutcome => ({
    ok: false,
    finding: { code, place, detail },
  });
  const rows = await chain.checkpoints();
  const last = rows.at(-1);
  let from = chainOrigin;
  if (last !== undefined) {
    const check = readCheckpoint(last.envelope, trusted, now);
    if (!check.ok) return refused(check.code, `checkpoint ${last.sequence}`, check.detail);
    from = { sequence: check.checkpoint.sequence, head: check.checkpoint.entry_hash };
  }

  const missing: CheckpointRow[] = [];
  for (const key of await store.list(checkpointPrefix)) {
    if (rows.some(({ storeKey }) => storeKey === key)) continue;
    const envelope = new TextDecoder().decode((await store.get(key)) ?? new Uint8Array());
    const check = readCheckpoint(envelope, trusted, now);
    if (!check.ok) return refused(check.code, key, check.detail);
    const { sequence, entry_hash: entryHash } = check.checkpoint;
    if (!rows.some((row) => isSame(row, sequence, check.keyId)))
      missing.push({ sequence, entryHash, signingKeyId: check.keyId, envelope, storeKey: key });
  }

  const walk = walkChain(
    missing.map(({ sequence, entryHash }) => ({ sequence, entry_hash: entryHash })),
    from,
  );
  const broken = (finding: ChainFinding): CheckpointOutcome =>
    refused(finding.code, `entry ${finding.sequence}`, finding.detail);
  for await (const batch of chain.entriesAfter(from.sequence)) {
    for (const entry of batch) {
      const finding = walk.take(entry);
      if (finding !== null) return broken(finding);
    }
  }
  const end = walk.end();
  if (end !== null) return broken(end);

  for (const row of missing) await chain.appendCheckpoint(row, now);
  const { sequence, head } = walk.place();
  if (sequence === from.sequence || missing.some((row) => row.sequence === sequence))
    return { ok: true, signed: null, adopted: missing.length };
  const checkpoint = { sequence, entry_hash: head };
  const envelope = await sealStatement(checkpointStatement(checkpoint, now), signer);
  const storeKey = checkpointKey(sequence, sha256(envelope));
  await store.put(storeKey, new TextEncoder().encode(envelope));
  await chain.appendCheckpoint({ sequence, entryHash: head, signingKeyId: signer.keyId, envelope, storeKey }, now);
  return { ok: true, signed: checkpoint, adopted: missing.length };
};

/** Whether a row says what another checkpoint by the same key says: one entry is signed once. */
const isSame = (row: CheckpointRow, sequence: number, keyId: string): boolean =>
  row.sequence === sequence && row.signingKeyId === keyId;
