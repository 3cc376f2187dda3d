import { parseInstant } from '@torghut/domain';
import {
  deploymentKeys,
  PublicKeyError,
  publishedKeyText,
  readVerificationKey,
  readVerificationKeys,
  sealStatement,
  verifyEnvelope,
} from '@torghut/domain/evidence';
import { describe, expect, it } from 'vitest';
import { localSigner, verdict } from './fixtures.ts';

const [old, current] = [localSigner(), localSigner()];
const end = parseInstant('2026-11-20T15:00:00.000Z');

describe('[A3] published keys', () => {
  it('are read one after another, each with the end of its period', () => {
    const text = publishedKeyText(old.publicPem, end) + publishedKeyText(current.publicPem, null);
    expect(readVerificationKeys(text).map(({ keyId, validUntil }) => [keyId, validUntil])).toEqual([
      [old.signer.keyId, end],
      [current.signer.keyId, null],
    ]);
    expect(readVerificationKeys('')).toEqual([]);
  });

  it.each(['valid-untill: 2026-11-20T15:00:00.000Z', 'valid-until: soon', 'valid-until: '])(
    'before which "%s" stands are refused, since they would be trusted for ever',
    (line) => {
      expect(() => readVerificationKey(`${line}\n${old.publicPem}`)).toThrow(PublicKeyError);
    },
  );

  it.each([
    ['a second key', `${old.publicPem}${current.publicPem}`],
    ['the end of the period', `${old.publicPem}valid-until: 2026-11-20T15:00:00.000Z\n`],
    ['anything', `${old.publicPem}x`],
  ])('that stand alone are refused with %s after them', (_, text) => {
    expect(() => readVerificationKey(text)).toThrow(PublicKeyError);
    expect(readVerificationKey(`${old.publicPem}\r\n \n`).keyId).toBe(old.signer.keyId);
  });

  it.each(['valid-until: 2026-11-20T15:00:00.000Z', 'x'])('of which "%s" stands after the last are refused', (line) => {
    expect(() => readVerificationKeys(`${old.publicPem}${current.publicPem}${line}\n`)).toThrow(PublicKeyError);
  });

  it('are joined by the one that signs now, whose published period counts for it as well', () => {
    const now = readVerificationKey(current.publicPem);
    const published = readVerificationKeys(publishedKeyText(old.publicPem, end));
    expect(deploymentKeys(published, now).map(({ keyId }) => keyId)).toEqual([old.signer.keyId, current.signer.keyId]);
    const ended = readVerificationKeys(publishedKeyText(current.publicPem, end));
    expect(deploymentKeys(ended, now)).toEqual(ended);
  });

  it.each([
    ['at its end', '2026-11-20T15:00:00.000Z', { ok: true }],
    ['after its end', '2026-11-20T15:00:00.001Z', { ok: false, code: 'key_retired', signed: null }],
  ])('count for what they signed %s: %s', async (_, issuedAt, expected) => {
    const trusted = readVerificationKeys(publishedKeyText(old.publicPem, end));
    const envelope = await sealStatement(verdict({ issuedAt }), old.signer);
    expect(verifyEnvelope(envelope, trusted, parseInstant('2026-12-01T00:00:00.000Z'))).toMatchObject(expected);
  });
});
