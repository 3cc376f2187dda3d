import * as z from 'zod';
import { canonicalJson, sha256 } from '../canonical-json.ts';
import type { ChainEntry } from './chain.ts';
import { checkpointKey } from './checkpoint.ts';
import type { ChainReads, CheckpointRow } from './ledger-chain.ts';

/** A chain as lines of JSON, so that it can be checked where its ledger is not. Checkpoints come first. */
const lineSchema = z.union([
  z.strictObject({ checkpoint: z.string() }),
  z.strictObject({
    sequence: z.int(),
    previous_hash: z.string(),
    table: z.string(),
    row_key: z.string(),
    row_text: z.string(),
    row_hash: z.string(),
    entry_hash: z.string(),
  }),
]);

/** The lines of an export, each without its end. */
export async function* chainLines(chain: ChainReads): AsyncGenerator<string> {
  for (const { envelope } of await chain.checkpoints()) yield canonicalJson({ checkpoint: envelope });
  for await (const batch of chain.entriesAfter(0))
    for (const { sequence, previousHash, table, rowKey, rowText, rowHash, entryHash } of batch)
      yield canonicalJson({
        sequence,
        previous_hash: previousHash,
        table,
        row_key: rowKey,
        row_text: rowText,
        row_hash: rowHash,
        entry_hash: entryHash,
      });
}

export type ReadExport =
  | { readonly ok: true; readonly chain: ChainReads }
  | { readonly ok: false; readonly line: number; readonly detail: string };

const parsedLine = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says what was expected instead.
  }
};

/** What a checkpoint says of itself; whether it is true, its signature decides. */
const claimOf = (envelope: string): CheckpointRow => {
  const { payload, signatures } = (parsedLine(envelope) ?? {}) as {
    readonly payload?: unknown;
    readonly signatures?: unknown;
  };
  const statement = parsedLine(Buffer.from(typeof payload === 'string' ? payload : '', 'base64').toString('utf8'));
  const claim = z.object({ predicate: z.object({ sequence: z.int(), entry_hash: z.string() }) }).safeParse(statement)
    .data?.predicate;
  const signer = z.array(z.object({ keyid: z.string() })).safeParse(signatures).data?.[0]?.keyid;
  const sequence = claim?.sequence ?? 0;
  return {
    sequence,
    entryHash: claim?.entry_hash ?? '',
    signingKeyId: signer ?? '',
    envelope,
    storeKey: checkpointKey(sequence, sha256(envelope)),
  };
};

/** Reads an export; every line has to be as `chainLines` writes it. */
export const readChainExport = (text: string): ReadExport => {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const checkpoints: CheckpointRow[] = [];
  const entries: ChainEntry[] = [];
  for (const [index, line] of lines.entries()) {
    const content = lineSchema.safeParse(parsedLine(line));
    if (!content.success) return { ok: false, line: index + 1, detail: z.prettifyError(content.error) };
    if (canonicalJson(content.data) !== line)
      return { ok: false, line: index + 1, detail: 'expected canonical JSON, found another form' };
    if ('checkpoint' in content.data) {
      checkpoints.push(claimOf(content.data.checkpoint));
      continue;
    }
    const { sequence, previous_hash, table, row_key, row_text, row_hash, entry_hash } = content.data;
    entries.push({
      sequence,
      previousHash: previous_hash,
      table,
      rowKey: row_key,
      rowText: row_text,
      rowHash: row_hash,
      entryHash: entry_hash,
    });
  }
  return {
    ok: true,
    chain: {
      checkpoints: () => Promise.resolve(checkpoints),
      entriesAfter: () => inOneBatch(entries),
    },
  };
};

const inOneBatch = <T>(items: readonly T[]): AsyncIterable<readonly T[]> => ({
  [Symbol.asyncIterator]: () => {
    let given = false;
    return {
      next: () => {
        const done = given;
        given = true;
        return Promise.resolve(done ? { done, value: undefined } : { done, value: items });
      },
    };
  },
});
