import { verify } from 'node:crypto';
import * as z from 'zod';
import { canonicalJson } from '../canonical-json.ts';
import { parseInstant, toText, type Instant } from '../instant.ts';
import type { VerificationKey } from './published-key.ts';
import { predicateSchemas, statementSchema, statementText, type Statement } from './statement.ts';

/** Dead Simple Signing Envelope, protocol version 1. */
export const payloadType = 'application/vnd.in-toto+json';

const encoder = new TextEncoder();

/** Pre-authentication encoding: the bytes a signature is over. Lengths are in bytes. */
export const preAuthenticationEncoding = (type: string, body: string): Uint8Array => {
  const [typeBytes, bodyBytes] = [encoder.encode(type), encoder.encode(body)];
  const head = encoder.encode(`DSSEv1 ${typeBytes.length} ${type} ${bodyBytes.length} `);
  const bytes = new Uint8Array(head.length + bodyBytes.length);
  bytes.set(head);
  bytes.set(bodyBytes, head.length);
  return bytes;
};

/** Signs with ECDSA P-256 over SHA-256; the private key never leaves its holder. */
export interface Signer {
  /** `keyIdOf` its public key. */
  readonly keyId: string;
  /** The public key as PEM. */
  readonly publicPem: string;
  /** DER signature over the SHA-256 of `message`. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

const envelopeSchema = z.strictObject({
  payloadType: z.string(),
  payload: z.string(),
  signatures: z.array(z.strictObject({ keyid: z.string(), sig: z.string() })).min(1),
});

/** The text of a signed envelope, canonical. */
export const sealStatement = async (statement: Statement, signer: Signer): Promise<string> => {
  const body = statementText(statement);
  const signature = await signer.sign(preAuthenticationEncoding(payloadType, body));
  return canonicalJson({
    payloadType,
    payload: Buffer.from(body).toString('base64'),
    signatures: [{ keyid: signer.keyId, sig: Buffer.from(signature).toString('base64') }],
  });
};

/** Why an envelope proves nothing. */
export const envelopeFailures = [
  'envelope_malformed',
  'envelope_not_canonical',
  'payload_type_unknown',
  'wrong_key',
  'signature_invalid',
  'statement_malformed',
  'predicate_type_unknown',
  'schema_version_unknown',
  'key_retired',
  'statement_not_yet_valid',
  'statement_expired',
] as const;
export type EnvelopeFailure = (typeof envelopeFailures)[number];

/** A statement and the trusted key that signed it. */
export interface SignedStatement {
  readonly statement: Statement;
  readonly keyId: string;
}

export type EnvelopeCheck =
  | ({ readonly ok: true } & SignedStatement)
  | {
      readonly ok: false;
      readonly code: EnvelopeFailure;
      readonly detail: string;
      /** What was signed, where nothing but its age speaks against it; else null. */
      readonly signed: SignedStatement | null;
    };

const refuse = (code: EnvelopeFailure, detail: string, signed: SignedStatement | null = null): EnvelopeCheck => ({
  ok: false,
  code,
  detail,
  signed,
});

/** Bytes of base64 text that is exactly what encoding them gives; null otherwise, since spare bits would go unsigned. */
const decodeBase64 = (text: string): Buffer | null => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says what was expected instead.
  }
};

/** Index of the first character in which two texts differ. */
const firstDifference = (one: string, other: string): number => {
  let index = 0;
  while (index < one.length && one[index] === other[index]) index += 1;
  return index;
};

/**
 * Checks an envelope offline: form, key, signature, schema, period of the key, validity at `now`, in this order. Any change of any byte of
 * it, or of the statement inside, is refused.
 */
export const verifyEnvelope = (text: string, trusted: readonly VerificationKey[], now: Instant): EnvelopeCheck => {
  const envelope = envelopeSchema.safeParse(parsed(text));
  if (!envelope.success)
    return refuse('envelope_malformed', `expected a DSSE envelope: ${z.prettifyError(envelope.error)}`);
  const canonical = canonicalJson(envelope.data);
  if (canonical !== text)
    return refuse(
      'envelope_not_canonical',
      `expected canonical JSON, found another form from character ${firstDifference(text, canonical)}`,
    );
  const { payloadType: type, payload, signatures } = envelope.data;
  if (type !== payloadType) return refuse('payload_type_unknown', `expected ${payloadType}, found ${type}`);
  const body = decodeBase64(payload);
  if (body === null) return refuse('envelope_malformed', 'payload: expected base64 in its one canonical form');

  const known = signatures.flatMap((signature) => {
    const key = trusted.find(({ keyId }) => keyId === signature.keyid);
    return key === undefined ? [] : [{ key, signature }];
  });
  const [first] = known;
  if (first === undefined) {
    const signedBy = signatures.map(({ keyid }) => keyid).join(', ');
    return refuse(
      'wrong_key',
      `expected a signature by ${trusted.map(({ keyId }) => keyId).join(' or ')}, found one by ${signedBy}`,
    );
  }
  const bodyText = body.toString('utf8');
  const message = preAuthenticationEncoding(type, bodyText);
  // A signature by a trusted key that does not hold spoils the envelope, whoever else signed it.
  const broken = known.find(({ key, signature }) => {
    const bytes = decodeBase64(signature.sig);
    return bytes === null || !verify('sha256', message, key.key, bytes);
  });
  if (broken !== undefined)
    return refuse('signature_invalid', `the signature named ${broken.key.keyId} is not by that key over these bytes`);

  const statement = statementSchema.safeParse(parsed(bodyText));
  if (!statement.success)
    return refuse('statement_malformed', `expected an in-toto statement: ${z.prettifyError(statement.error)}`);
  if (statementText(statement.data) !== bodyText || !Buffer.from(bodyText).equals(body))
    return refuse('statement_malformed', 'expected the statement as canonical JSON in UTF-8, found another form');
  const { predicateType, predicate } = statement.data;
  if (!Object.hasOwn(predicateSchemas, predicateType))
    return refuse(
      'predicate_type_unknown',
      `expected one of ${Object.keys(predicateSchemas).join(', ')}, found ${predicateType}`,
    );
  const version = predicateSchemas[predicateType as keyof typeof predicateSchemas];
  if (predicate.schema_version !== version)
    return refuse('schema_version_unknown', `expected schema version ${version}, found ${predicate.schema_version}`);
  // A key that was given up may be in other hands: nothing it signs after then counts.
  const retired = known.find(
    ({ key: { validUntil } }) => validUntil !== null && parseInstant(predicate.issued_at) > validUntil,
  );
  if (retired !== undefined)
    return refuse(
      'key_retired',
      `issued at ${predicate.issued_at} by ${retired.key.keyId}, which signs nothing after ${toText(retired.key.validUntil ?? 0)}`,
    );
  const signed = { statement: statement.data, keyId: first.key.keyId };
  if (parseInstant(predicate.issued_at) > now)
    return refuse('statement_not_yet_valid', `issued at ${predicate.issued_at}, which is still to come`, signed);
  if (predicate.expires_at !== undefined && parseInstant(predicate.expires_at) <= now)
    return refuse(
      'statement_expired',
      `expired at ${predicate.expires_at}; evaluate again for a fresh verdict`,
      signed,
    );
  return { ok: true, ...signed };
};
