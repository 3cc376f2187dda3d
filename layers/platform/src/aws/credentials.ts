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

  const readNow = (): Promise<T> =>
    (reading ??= read()
      .then((value) => {
        kept = { value, readAt: clock.now() };
        return value;
      })
      .finally(() => {
        reading = null;
      }));

  return {
    get: async () =>
      kept !== null && clock.now() - kept.readAt < maxAgeSeconds * second ? kept.value : await readNow(),

    renew: async (refused) => {
      const pauses = renewedAt !== null && clock.now() - renewedAt < renewalPauseSeconds * second;
      if (kept === null || isDeepStrictEqual(kept.value, refused)) {
        if (pauses && reading === null) return null;
        if (!pauses) renewedAt = clock.now();
        // The caller has a refusal to report, which says more than that the source could not be asked about it.
        await readNow().catch(() => undefined);
      }
      return kept === null || isDeepStrictEqual(kept.value, refused) ? null : kept.value;
    },
  };
};

/** Credentials that never change, for a place that nobody rotates. */
export const fixedCredentials = <T>(value: T): Credentials<T> => ({
  get: () => Promise.resolve(value),
  renew: () => Promise.resolve(null),
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
