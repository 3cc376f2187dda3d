import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseInstant, toText, type Instant } from '@torghut/domain';
import { PublicKeyError, publishedKeyText, readVerificationKey, type VerificationKey } from '@torghut/domain/evidence';
import { createKmsClient, kmsPublicKey, SigningKeyError } from '@torghut/platform';
import { environmentNames } from '../../config.ts';
import { parseOptions, UsageError } from '../options.ts';
import { saying, type Said } from '../verify/evidence-command.ts';
import { publishedKeyPath, publishedKeys } from '../verify/trusted-keys.ts';

/** Publishes the public key that signs the evidence of an environment, so that verification needs no AWS. */
const usage = `usage: npx torghut signing-key --environment ${environmentNames.join('|')} --key-id ARN [--until TIME] [--region REGION] [--endpoint URL]
  --key-id   ARN of the key: the resource EvidenceSigningKey of the environment's state stack
  --until    of a key that was replaced: what it signs after this time counts for nothing
  --region   by default that of the environment or profile
  --endpoint another place than AWS, such as an emulator
Writes infra/keys/<environment>/<key>.pem; commit it and deploy. Keys that were published before stay, and what they signed
stays good.
Exit codes: 0 published; 2 the command line, or no such key; 3 it could not be read or written.`;

/** @throws UsageError for what is no time */
const endOf = (text: string | undefined): Instant | null => {
  if (text === undefined) return null;
  try {
    return parseInstant(text);
  } catch (error) {
    throw new UsageError(`--until: ${(error as Error).message}`);
  }
};

/** What is published of a key; null when nothing is. @throws Error when it is another key, forged or damaged */
const publishedBefore = (path: string, { keyId }: VerificationKey): VerificationKey | null => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const found = readVerificationKey(text);
    if (found.keyId === keyId) return found;
  } catch (error) {
    if (!(error instanceof PublicKeyError)) throw error;
  }
  // The file is named after the key.
  throw new Error(`${path}: expected key ${keyId}, found another one; find out who put it there`);
};

/** `npx torghut signing-key`, from its words to what it says. */
export const publishKey = (words: readonly string[], directory = publishedKeys): Promise<Said> =>
  saying(async () => {
    const values = parseOptions(words, {
      environment: { type: 'string' },
      'key-id': { type: 'string' },
      until: { type: 'string' },
      region: { type: 'string' },
      endpoint: { type: 'string' },
      help: { type: 'boolean' },
    });
    if (values.help === true) return { code: 0, lines: [usage] };
    const { environment, 'key-id': keyId, until: end, region, endpoint } = values;
    if (environment === undefined || !environmentNames.some((name) => name === environment))
      throw new UsageError(
        `--environment: expected ${environmentNames.join(' or ')}, found ${environment === undefined ? 'none' : `"${environment}"`}`,
      );
    if (keyId === undefined) throw new UsageError('--key-id: expected the ARN of a KMS key, found none');
    const client = createKmsClient({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
    });
    const pem = await kmsPublicKey(client, keyId).catch((error: unknown) => {
      throw error instanceof SigningKeyError ? new UsageError(error.message) : error;
    });
    const key = readVerificationKey(pem);
    const path = publishedKeyPath(directory, environment, key);
    const before = publishedBefore(path, key)?.validUntil ?? null;
    const until = endOf(end) ?? before;
    if (before !== null && until !== null && until > before)
      throw new UsageError(
        `--until: expected no later time than ${toText(before)}, which is published, found "${end ?? ''}"`,
      );
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, publishedKeyText(pem, until));
    const period = until === null ? '' : ` until ${toText(until)}`;
    return { code: 0, lines: [`${key.keyId} of ${environment} is published${period} in ${path}`] };
  });
