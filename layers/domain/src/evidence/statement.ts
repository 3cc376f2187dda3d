import * as z from 'zod';
import { canonicalJson, type Json } from '../canonical-json.ts';

/** in-toto attestation framework, Statement v1. */
export const statementType = 'https://in-toto.io/Statement/v1';

/** What a statement of ours can say, with the schema version its predicate has to name. */
export const predicateSchemas = {
  'urn:torghut:gate-verdict:v1': 'torghut.gate-verdict.v1',
  'urn:torghut:promotion-record:v1': 'torghut.promotion-record.v1',
  'urn:torghut:approval:v1': 'torghut.approval.v1',
  'urn:torghut:incident:v1': 'torghut.incident.v1',
  'urn:torghut:prelive-checkpoint:v1': 'torghut.prelive-checkpoint.v1',
  'urn:torghut:ledger-checkpoint:v1': 'torghut.ledger-checkpoint.v1',
} as const;
export type PredicateType = keyof typeof predicateSchemas;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const instantText = z.iso.datetime({ precision: 3 });

/** What every predicate carries beside its own fields. */
const predicate = z.looseObject({
  schema_version: z.string(),
  issued_at: instantText,
  expires_at: instantText.optional(),
  policy_digest: hash,
  input_digests: z.array(hash),
});

export const statementSchema = z.strictObject({
  _type: z.literal(statementType),
  subject: z.array(z.strictObject({ name: z.string().min(1), digest: z.strictObject({ sha256: hash }) })).min(1),
  predicateType: z.string(),
  predicate,
});
export type Statement = z.infer<typeof statementSchema>;

/** The fields every predicate has, and those of its own. */
export interface PredicateBody {
  readonly issuedAt: string;
  /** Null: valid for as long as its key is trusted. */
  readonly expiresAt: string | null;
  readonly policyDigest: string;
  readonly inputDigests: readonly string[];
  readonly fields: Readonly<Record<string, Json>>;
}

/** A statement about stored bytes, named and by their SHA-256. */
export const statementOf = (
  predicateType: PredicateType,
  subject: readonly { readonly name: string; readonly sha256: string }[],
  { issuedAt, expiresAt, policyDigest, inputDigests, fields }: PredicateBody,
): Statement =>
  statementSchema.parse({
    _type: statementType,
    subject: subject.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType,
    predicate: {
      ...fields,
      schema_version: predicateSchemas[predicateType],
      issued_at: issuedAt,
      ...(expiresAt === null ? {} : { expires_at: expiresAt }),
      policy_digest: policyDigest,
      input_digests: [...inputDigests],
    },
  });

/** The bytes of a statement that are signed and stored. */
export const statementText = (statement: Statement): string => canonicalJson(statement as unknown as Json);
