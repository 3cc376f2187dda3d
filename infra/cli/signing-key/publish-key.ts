import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { readVerificationKey } from '@torghut/domain/evidence';
import { createKmsClient, kmsPublicKey, SigningKeyError } from '@torghut/platform';
import { environmentNames } from '../../config.ts';
import { parseOptions, UsageError } from '../options.ts';
import { saying, type Said } from '../verify/evidence-command.ts';
import { publishedKeyPath, publishedKeys } from '../verify/trusted-keys.ts';

/** Publishes the public key that signs the evidence of an environment, so that verification needs no AWS. */
const usage = `usage: npx torghut signing-key --environment ${environmentNames.join('|')} --key-id ARN [--region REGION] [--endpoint URL]
  --key-id   ARN of the key: the resource EvidenceSigningKey of the environment's state stack
  --region   by default that of the environment or profile
  --endpoint another place than AWS, such as an emulator
Writes infra/keys/<environment>/<key>.pem; commit it. Keys that were published before stay.
Exit codes: 0 published; 2 the command line, or no such key; 3 it could not be read or written.`;

/** `npx torghut signing-key`, from its words to what it says. */
export const publishKey = (words: readonly string[], directory = publishedKeys): Promise<Said> =>
  saying(async () => {
    const values = parseOptions(words, {
      environment: { type: 'string' },
      'key-id': { type: 'string' },
      region: { type: 'string' },
      endpoint: { type: 'string' },
      help: { type: 'boolean' },
    });
    if (values.help === true) return { code: 0, lines: [usage] };
    const { environment, 'key-id': keyId, region, endpoint } = values;
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
    mkdirSync(dirname(path), { recursive: true });
    try {
      writeFileSync(path, pem, { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // The file is named after the key: another one under its name is a forgery, or damage.
      if (readFileSync(path, 'utf8') !== pem)
        throw new Error(`${path}: expected key ${key.keyId}, found another one; find out who put it there`);
    }
    return { code: 0, lines: [`${key.keyId} of ${environment} is published in ${path}`] };
  });
