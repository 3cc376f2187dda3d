import { isDeepStrictEqual } from 'node:util';
import { second, type Clock, type Instant } from '@torghut/domain';

/** Credentials that are kept for a while and may be replaced at any time without this process being told. */
export interface Credentials<T> {
  /** Whoever asks at the same time shares one read. */
  get(): Promise<T>;
  /**
   * What to try after `refused` was not let in: read anew, unless somebody else has done so since. `null` when there is
   * nothing else to try: the same again, an unreadable source, or a source that was read anew a moment ago.
   */
  renew(refused: T): Promise<T | null>;
  /** Notes that `refused` was not let in, for whoever cannot wait: what `renew` would read anew, the next `get` does. */
  doubt(refused: T): void;
}

export interface CredentialsSource<T> {
  readonly read: () => Promise<T>;
  readonly clock: Clock;
  readonly maxAgeSeconds: number;
}

/**
 * A failure burst costs one forced read: no second one starts this soon after the first. Short, because a rotation changes
 * the server before it publishes the new credentials, and who fails in between finds them only with the next one.
 */
const renewalPauseSeconds = 10;

/** Keeps what `read` gives for `maxAgeSeconds`. What cannot be read again is not used beyond its age. */
export const cachedCredentials = <T>({ read, clock, maxAgeSeconds }: CredentialsSource<T>): Credentials<T> => {
  let kept: { readonly value: T; readonly readAt: Instant } | null = null;
  let reading: Promise<T> | null = null;
  let renewedAt: Instant | null = null;
  let doubted = false;

  const readNow = (): Promise<T> =>
    (reading ??= read()
      .then((value) => {
        kept = { value, readAt: clock.now() };
        doubted = false;
        return value;
      })
      .finally(() => {
        reading = null;
      }));

  /** One read for a refusal. What cannot be read anew is used on: a refusal says more than a source that is not there. */
  const readForRefusal = async (): Promise<void> => {
    await readNow().catch(() => undefined);
    doubted = false;
  };
  const pauses = (): boolean => renewedAt !== null && clock.now() - renewedAt < renewalPauseSeconds * second;
  const isKept = (refused: T): boolean => kept === null || isDeepStrictEqual(kept.value, refused);

  return {
    get: async () => {
      if (doubted) await readForRefusal();
      return kept !== null && clock.now() - kept.readAt < maxAgeSeconds * second ? kept.value : await readNow();
    },

    doubt: (refused) => {
      if (!isKept(refused) || pauses()) return;
      renewedAt = clock.now();
      doubted = true;
    },

    renew: async (refused) => {
      if (isKept(refused)) {
        if (pauses() && reading === null && !doubted) return null;
        if (!pauses()) renewedAt = clock.now();
        await readForRefusal();
      }
      return kept === null || isDeepStrictEqual(kept.value, refused) ? null : kept.value;
    },
  };
};

/** Credentials that never change, for a place that nobody rotates. */
export const fixedCredentials = <T>(value: T): Credentials<T> => ({
  get: () => Promise.resolve(value),
  renew: () => Promise.resolve(null),
  doubt: () => undefined,
});

/**
 * Makes an attempt with the credentials as they are kept, and exactly one more with renewed ones when the first was refused
 * for them. Only for what may be repeated: a read, a connection.
 */
export const withRenewal = async <T, Result>(
  credentials: Credentials<T>,
  attempt: (credentials: T) => Promise<Result>,
  isRefused: (result: Result) => boolean,
): Promise<Result> => {
  const used = await credentials.get();
  const first = await attempt(used);
  if (!isRefused(first)) return first;
  const renewed = await credentials.renew(used);
  return renewed === null ? first : attempt(renewed);
};
