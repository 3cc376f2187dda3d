import * as z from 'zod';
import { hashJson } from '../canonical-json.ts';
import { toText, type Instant } from '../instant.ts';
import { checkpointSchema, type ChainCheckpoint } from './chain.ts';
import { verifyEnvelope, type EnvelopeFailure } from './envelope.ts';
import type { VerificationKey } from './published-key.ts';
import { statementOf, type PredicateType, type Statement } from './statement.ts';

/** The chain over every row of the research ledger. */
export const researchChain = 'research';

const predicateType = 'urn:torghut:ledger-checkpoint:v1' satisfies PredicateType;

/** Digest of the rule by which entries follow each other: what the signature of a checkpoint is a statement about. */
export const chainPolicyDigest = hashJson({
  hash: 'sha256',
  entry: ['previous_hash', 'row_hash', 'row_key', 'sequence', 'table'],
  form: 'rfc8785',
});

/** Where signed checkpoints are kept outside of the database, which whoever rewrites the chain could rewrite too. */
export const checkpointPrefix = `evidence/chain/${researchChain}/`;

/** Sorted keys are in the order of the chain. */
export const checkpointKey = (sequence: number, sha256: string): string =>
  `${checkpointPrefix}${String(sequence).padStart(12, '0')}-${sha256}.json`;

/** The statement that the chain led to this entry. It does not expire: what happened stays so. */
export const checkpointStatement = ({ sequence, entry_hash: entryHash }: ChainCheckpoint, now: Instant): Statement =>
  statementOf(predicateType, [{ name: `${researchChain}-chain-${sequence}`, sha256: entryHash }], {
    issuedAt: toText(now),
    expiresAt: null,
    policyDigest: chainPolicyDigest,
    inputDigests: [entryHash],
    fields: { chain: researchChain, sequence, entry_hash: entryHash },
  });

export const checkpointFailures = ['checkpoint_malformed'] as const;
export type CheckpointFailure = (typeof checkpointFailures)[number] | EnvelopeFailure;

export type CheckpointCheck =
  | { readonly ok: true; readonly checkpoint: ChainCheckpoint; readonly keyId: string }
  | { readonly ok: false; readonly code: CheckpointFailure; readonly detail: string };

/** Reads the signed envelope of a checkpoint: signature first, then that it is a checkpoint of this chain. */
export const readCheckpoint = (text: string, trusted: readonly VerificationKey[], now: Instant): CheckpointCheck => {
  const check = verifyEnvelope(text, trusted, now);
  if (!check.ok) return check;
  const { predicateType: type, predicate, subject } = check.statement;
  const malformed = (detail: string): CheckpointCheck => ({ ok: false, code: 'checkpoint_malformed', detail });
  if (type !== predicateType) return malformed(`expected ${predicateType}, found a statement of ${type}`);
  const parsed = checkpointSchema.safeParse(predicate);
  if (!parsed.success) return malformed(z.prettifyError(parsed.error));
  const { chain, sequence, entry_hash: entryHash } = parsed.data;
  if (chain !== researchChain)
    return malformed(`expected a checkpoint of chain ${researchChain}, found one of ${chain}`);
  if (predicate.policy_digest !== chainPolicyDigest)
    return malformed(`expected the chain's rule ${chainPolicyDigest}, found ${predicate.policy_digest}`);
  if (subject.length !== 1 || subject[0]?.digest.sha256 !== entryHash)
    return malformed(`expected entry hash ${entryHash} as its one subject, found another`);
  return { ok: true, checkpoint: { sequence, entry_hash: entryHash }, keyId: check.keyId };
};
