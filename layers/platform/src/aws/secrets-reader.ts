import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Clock } from '@torghut/domain';
import type * as z from 'zod';
import { cachedCredentials, type Credentials } from './credentials.ts';

/** Reads secrets whose value is a JSON document. What they hold appears in no error and no log. */
export interface SecretsReader {
  /** The secret, at most `cacheSeconds` old. @throws SecretUnavailable */
  get<Schema extends z.ZodType>(id: string, schema: Schema): Promise<z.output<Schema>>;
  /** The secret for those whom a server may refuse; one cache for all users of the same secret in the same form. */
  credentials<Schema extends z.ZodType>(id: string, schema: Schema): Credentials<z.output<Schema>>;
}

export class SecretUnavailable extends Error {
  override readonly name = 'SecretUnavailable';
  readonly secretId: string;

  constructor(secretId: string, problem: string) {
    super(`secret ${secretId}: ${problem}`);
    this.secretId = secretId;
  }
}

const longestCacheSeconds = 300;

/** @param options.cacheSeconds at most 300, by default 300. */
export const secretsReader = (
  client: SecretsManagerClient,
  options: { readonly clock: Clock; readonly cacheSeconds?: number },
): SecretsReader => {
  const cacheSeconds = options.cacheSeconds ?? longestCacheSeconds;
  if (!(cacheSeconds >= 0 && cacheSeconds <= longestCacheSeconds)) {
    throw new RangeError(`cacheSeconds must be 0 to ${longestCacheSeconds}, was ${cacheSeconds}`);
  }
  const known = new Map<string, Map<z.ZodType, Credentials<unknown>>>();

  const credentials = <Schema extends z.ZodType>(id: string, schema: Schema): Credentials<z.output<Schema>> => {
    const ofSecret = known.get(id) ?? new Map<z.ZodType, Credentials<unknown>>();
    known.set(id, ofSecret);
    const existing = ofSecret.get(schema);
    // The key of the map is the schema that its values were parsed with.
    if (existing !== undefined) return existing as Credentials<z.output<Schema>>;
    const made = cachedCredentials({
      read: async () => parse(id, schema, await fetchDocument(client, id)),
      clock: options.clock,
      maxAgeSeconds: cacheSeconds,
    });
    ofSecret.set(schema, made);
    return made;
  };

  return { get: (id, schema) => credentials(id, schema).get(), credentials };
};

const fetchDocument = async (client: SecretsManagerClient, id: string): Promise<unknown> => {
  let text: string | undefined;
  try {
    text = (await client.send(new GetSecretValueCommand({ SecretId: id }))).SecretString;
  } catch (error) {
    throw new SecretUnavailable(id, `cannot be read (${error instanceof Error ? error.name : 'unknown error'})`);
  }
  if (text === undefined) throw new SecretUnavailable(id, 'expected text, found binary data');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own message quotes the text.
    throw new SecretUnavailable(id, 'expected a JSON document, found other text');
  }
};

/** Names the places that are wrong, never what was found there. */
const parse = <Schema extends z.ZodType>(id: string, schema: Schema, document: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'document'} (${code})`);
  throw new SecretUnavailable(id, `not of the expected form at ${places.join(', ')}`);
};
