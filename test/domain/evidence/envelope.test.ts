import { generateKeyPairSync } from 'node:crypto';
import { canonicalJson, parseInstant, sha256 } from '@torghut/domain';
import {
  payloadType,
  preAuthenticationEncoding,
  PublicKeyError,
  readVerificationKey,
  sealStatement,
  verifyEnvelope,
  type Statement,
} from '@torghut/domain/evidence';
import { describe, expect, test } from 'vitest';
import { localSigner, verdict, zeros } from './fixtures.ts';

const now = parseInstant('2026-11-20T16:00:00.000Z');
const { signer, publicPem } = localSigner();
const trusted = [readVerificationKey(publicPem)];

const sealed = (statement: Statement, by = signer): Promise<string> => sealStatement(statement, by);
/** Seals a statement that the schema would not let through. */
const sealedRaw = (change: Record<string, unknown>): Promise<string> => sealed(Object.assign(verdict(), change));

describe('[A3] DSSE envelope', () => {
  test('pre-authentication encoding of the published vector', () => {
    const body = canonicalJson({
      _type: 'https://in-toto.io/Statement/v1',
      predicate: { verdict: 'PASS' },
      predicateType: 'urn:torghut:gate-verdict:v1',
      subject: [{ digest: { sha256: zeros }, name: 'gate-report' }],
    });
    expect(payloadType).toHaveLength(28);
    expect(body).toHaveLength(242);
    expect(sha256(body)).toBe('84869a721c0a443bfeffdbcf2e1f4b6426b9ab591b210b642f1315b0c70cf74a');
    expect(sha256(preAuthenticationEncoding(payloadType, body))).toBe(
      '74f9aff42518fdca7a38dd46106a062c3a86118fdeb58d574f139c3ef6196ee1',
    );
  });

  test('lengths are counted in bytes, not in characters', () => {
    expect(Buffer.from(preAuthenticationEncoding('t', 'é')).toString()).toBe('DSSEv1 1 t 2 é');
  });

  test('what was signed verifies with the public key alone', async () => {
    const check = verifyEnvelope(await sealed(verdict()), trusted, now);
    expect(check).toMatchObject({ ok: true, keyId: signer.keyId });
    expect(check.ok && check.statement).toEqual(verdict());
  });

  test('no byte of an envelope can be changed', async () => {
    const text = await sealed(verdict());
    const accepted: number[] = [];
    for (let index = 0; index < text.length; index += 1) {
      for (const flip of [1, 2, 32]) {
        const changed = `${text.slice(0, index)}${String.fromCharCode(text.charCodeAt(index) ^ flip)}${text.slice(index + 1)}`;
        if (verifyEnvelope(changed, trusted, now).ok) accepted.push(index);
      }
    }
    expect(accepted).toEqual([]);
  });

  const other = localSigner();
  test.each([
    ['another key', () => sealed(verdict(), other.signer), 'wrong_key'],
    [
      'a foreign signature under our name',
      () => sealed(verdict(), { ...other.signer, keyId: signer.keyId }),
      'signature_invalid',
    ],
    ['an expired statement', () => sealed(verdict({ expiresAt: '2026-11-20T16:00:00.000Z' })), 'statement_expired'],
    ['one from the future', () => sealed(verdict({ issuedAt: '2026-11-20T16:00:00.001Z' })), 'statement_not_yet_valid'],
    [
      'an unknown schema version',
      () => sealedRaw({ predicate: { ...verdict().predicate, schema_version: 'torghut.gate-verdict.v2' } }),
      'schema_version_unknown',
    ],
    ['an unknown predicate', () => sealedRaw({ predicateType: 'urn:torghut:wish:v1' }), 'predicate_type_unknown'],
    ['a key that every object has', () => sealedRaw({ predicateType: 'constructor' }), 'predicate_type_unknown'],
    ['another type of statement', () => sealedRaw({ _type: 'https://example.test' }), 'statement_malformed'],
    ['a statement about nothing', () => sealedRaw({ subject: [] }), 'statement_malformed'],
    [
      'a day that does not exist',
      () => sealedRaw({ predicate: { ...verdict().predicate, issued_at: '2026-02-30T00:00:00.000Z' } }),
      'statement_malformed',
    ],
    ['no JSON', () => Promise.resolve('{'), 'envelope_malformed'],
    ['white space', async () => JSON.stringify(JSON.parse(await sealed(verdict())), null, 1), 'envelope_not_canonical'],
    [
      'another payload type',
      async () => (await sealed(verdict())).replace(payloadType, 'application/json'),
      'payload_type_unknown',
    ],
  ])('%s is refused by its own code', async (_name, text, code) => {
    expect(verifyEnvelope(await text(), trusted, now)).toMatchObject({ ok: false, code });
  });

  test('an envelope without expiry is valid as long as its key is trusted', async () => {
    const text = await sealed(verdict());
    expect(verifyEnvelope(text, trusted, parseInstant('2036-01-01T00:00:00.000Z')).ok).toBe(true);
    expect(verifyEnvelope(text, [], now)).toMatchObject({ ok: false, code: 'wrong_key' });
  });

  test.each([
    ['text that is no key', 'hello'],
    [
      'another curve',
      generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
        .publicKey.export({ type: 'spki', format: 'pem' })
        .toString(),
    ],
    [
      'RSA',
      generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ],
  ])('%s is no verification key', (_name, pem) => {
    expect(() => readVerificationKey(pem)).toThrow(PublicKeyError);
  });
});
