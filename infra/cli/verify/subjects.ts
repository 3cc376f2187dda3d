import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { sha256, type Instant } from '@torghut/domain';
import {
  readChainExport,
  readCheckpoint,
  verifyEnvelope,
  verifyLedgerChain,
  verifyRun,
  type EvidenceReads,
  type VerificationKey,
} from '@torghut/domain/evidence';
import { fileEvidenceStore } from '@torghut/platform';
import { UsageError } from '../options.ts';
import { chainVerification, runVerification, type Verification } from './report.ts';

export interface Trust {
  readonly trusted: readonly VerificationKey[];
  readonly now: Instant;
}

const runFile = /[\\/]evidence[\\/]([0-9a-f]{24})[\\/][^\\/]+$/;
const checkpointFile = /[\\/]evidence[\\/]chain[\\/][^\\/]+[\\/]\d+-[0-9a-f]{64}\.json$/;
const namedDigest = /(?:^|-)([0-9a-f]{64})\.(?:json|bin)$/;

const isEnvelope = (text: string): boolean => {
  try {
    const content = JSON.parse(text) as unknown;
    return typeof content === 'object' && content !== null && 'payloadType' in content;
  } catch {
    return false;
  }
};

/** Whether the word names something on this disk. */
export const isFile = (word: string): boolean => {
  const found = statSync(word, { throwIfNoEntry: false });
  return found?.isFile() === true;
};

/**
 * Checks one file by what it is: the export of a chain; a file of a run, with the whole run it belongs to; a checkpoint; a
 * signed envelope that stands alone; a snapshot of a dataset, by the hash that is its name.
 * @throws UsageError for a file that proves nothing by itself
 */
export const verifyFile = async (path: string, trust: Trust): Promise<Verification> => {
  const file = resolve(path);
  const bytes = readFileSync(file);
  const name = basename(file);
  const wrong = (code: string, detail: string): Verification => ({
    findings: [{ code, place: name, detail }],
    checked: [],
  });

  if (name.endsWith('.jsonl')) {
    const read = readChainExport(bytes.toString('utf8'));
    if (!read.ok) return wrong('chain_export_malformed', `line ${read.line}: ${read.detail}`);
    return chainVerification(await verifyLedgerChain(read.chain, null, trust));
  }
  const runId = runFile.exec(file)?.[1];
  if (runId !== undefined) {
    const store = fileEvidenceStore(dirname(dirname(dirname(file))));
    return runVerification(await verifyRun(store, runId, { ...trust, manifestSha256: null }));
  }
  const digest = namedDigest.exec(name)?.[1];
  const found = sha256(bytes);
  if (digest !== undefined && digest !== found)
    return wrong('content_altered', `expected the SHA-256 its name says, found ${found}`);
  const text = bytes.toString('utf8');
  if (checkpointFile.test(file)) {
    const check = readCheckpoint(text, trust.trusted, trust.now);
    if (!check.ok) return wrong(check.code, check.detail);
    const { sequence, entry_hash: entryHash } = check.checkpoint;
    return { findings: [], checked: [`checkpoint of entry ${sequence}, ${entryHash}; signed by ${check.keyId}`] };
  }
  if (isEnvelope(text) || name.includes('envelope')) {
    const check = verifyEnvelope(text, trust.trusted, trust.now);
    if (!check.ok) return wrong(check.code, check.detail);
    const { predicateType, subject } = check.statement;
    const about = subject.map(({ name: what, digest: { sha256: hash } }) => `${what} ${hash}`).join(', ');
    return { findings: [], checked: [`${predicateType} about ${about}; signed by ${check.keyId}`] };
  }
  if (digest !== undefined && name.endsWith('.bin'))
    return { findings: [], checked: [`snapshot ${digest}: ${bytes.length} bytes, as its name says`] };
  throw new UsageError(
    `${path}: expected a signed envelope, a chain export (.jsonl), or a file in evidence/<run>/ or datasets/; nothing else proves anything by itself`,
  );
};

/** Checks everything a run stored. */
export const verifyStoredRun = async (
  store: EvidenceReads,
  runId: string,
  trust: Trust & { readonly manifestSha256: string | null },
): Promise<Verification> => runVerification(await verifyRun(store, runId, trust));
