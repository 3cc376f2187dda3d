import { setTimeout as wait } from 'node:timers/promises';

/** A statement about the deployed system that is about to be shown. Its proof may return a figure worth printing. */
export interface Claim {
  readonly title: string;
  readonly prove: () => Promise<string | undefined>;
}

/** The system is not as claimed. */
export class ClaimFailed extends Error {
  override readonly name = 'ClaimFailed';
  readonly expected: string;
  readonly found: string;

  constructor(expected: string, found: unknown) {
    const shown = typeof found === 'string' ? found : JSON.stringify(found, null, 2);
    super(`expected ${expected}, found ${shown}`);
    this.expected = expected;
    this.found = shown;
  }
}

export function require(condition: boolean, expected: string, found: unknown): asserts condition {
  if (!condition) throw new ClaimFailed(expected, found);
}

/** What a look at the system says: the value that was waited for, or what is there instead. */
export type Look<T> = { readonly done: T } | { readonly found: unknown };

const pauseMs = 250;

/** Looks again and again until it is there. @throws ClaimFailed with what was found last */
export const eventually = async <T>(expected: string, seconds: number, look: () => Promise<Look<T>>): Promise<T> => {
  const giveUpAt = Date.now() + seconds * 1_000;
  for (;;) {
    const seen = await look();
    if ('done' in seen) return seen.done;
    if (Date.now() >= giveUpAt) throw new ClaimFailed(`${expected} within ${seconds} s`, seen.found);
    await wait(pauseMs);
  }
};
