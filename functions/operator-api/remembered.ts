import type { Clock } from '@torghut/domain';

/** Keeps an answer for `ms` of the clock's time. Requests that arrive while it is being made share it. */
export const remembered = <T>(clock: Clock, ms: number, ask: () => Promise<T>): ((refresh?: boolean) => Promise<T>) => {
  let kept: { readonly at: number; readonly answer: Promise<T> } | null = null;
  return (refresh = false) => {
    const now = clock.now();
    if (kept === null || refresh || now - kept.at >= ms) {
      const made = { at: now, answer: ask() };
      kept = made;
      // An answer that could not be made is not kept.
      made.answer.catch(() => {
        if (kept === made) kept = null;
      });
    }
    return kept.answer;
  };
};
