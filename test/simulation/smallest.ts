/**
 * The smallest part of a list that still fails, by delta debugging: halves are left out first, then ever smaller pieces,
 * until no single one can be left out, or `mostRuns` attempts were made.
 */
export const smallest = async <Part>(
  parts: readonly Part[],
  stillFails: (kept: readonly Part[]) => Promise<boolean>,
  mostRuns: number,
): Promise<{ readonly kept: readonly Part[]; readonly runs: number }> => {
  let kept = parts;
  let runs = 0;
  for (let pieces = 2; kept.length > 0 && runs < mostRuns;) {
    const size = Math.ceil(kept.length / pieces);
    let smaller: readonly Part[] | null = null;
    for (let from = 0; from < kept.length && smaller === null && runs < mostRuns; from += size) {
      const candidate = [...kept.slice(0, from), ...kept.slice(from + size)];
      runs += 1;
      if (await stillFails(candidate)) smaller = candidate;
    }
    if (smaller !== null) {
      kept = smaller;
      pieces = Math.max(2, pieces - 1);
    } else if (size === 1) break;
    else pieces = Math.min(kept.length, pieces * 2);
  }
  return { kept, runs };
};
