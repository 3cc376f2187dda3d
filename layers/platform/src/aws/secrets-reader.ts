import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { second, type Clock, type Instant } from '@torghut/domain';
import type * as z from 'zod';

/** Reads secrets whose value is a JSON document. What they hold appears in no error and no log. */
export interface SecretsReader {
  /** The secret, at most `cacheSeconds` old. @throws SecretUnavailable */
  get<Schema extends z.ZodType>(id: string, schema: Schema): Promise<z.output<Schema>>;
  /** The secret as it is now: once after an authentication failure, because it may have been rotated. @throws SecretUnavailable */
  refresh<Schema extends z.ZodType>(id: string, schema: Schema): Promise<z.output<Schema>>;
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
  const cache = new Map<string, { readonly document: unknown; readonly readAt: Instant }>();
  const reads = new Map<string, Promise<unknown>>();

  /** Callers that ask at the same time share one read. */
  const read = (id: string): Promise<unknown> => {
    const running = reads.get(id);
    if (running !== undefined) return running;
    const reading = fetchDocument(client, id)
      .then((document) => {
        cache.set(id, { document, readAt: options.clock.now() });
        return document;
      })
      .finally(() => reads.delete(id));
    reads.set(id, reading);
    return reading;
  };

  return {
    get: async (id, schema) => {
      const cached = cache.get(id);
      const isFresh = cached !== undefined && options.clock.now() - cached.readAt < cacheSeconds * second;
      return parse(id, schema, isFresh ? cached.document : await read(id));
    },
    refresh: async (id, schema) => parse(id, schema, await read(id)),
  };
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
