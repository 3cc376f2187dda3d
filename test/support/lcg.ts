/** Linear congruential generator of the published fixtures: update first, then use. Draws from [0, 1). */
export const lcg = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state / 4294967296;
  };
};
