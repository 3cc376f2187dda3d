/** Draws from [0, 1), one a call. */
export type Uniform = () => number;

/** Three 32-bit words, such as the first twelve bytes of a hash. */
export type SeedWords = readonly [number, number, number];

/** Name of the generator below, stored beside its seed wherever a random result is kept. */
export const generatorName = 'sfc32@1';

/**
 * Small fast counting generator of Chris Doty-Humphrey (PractRand), 32 bit, after 15 rounds of mixing. The seed is all of
 * its state: equal seeds give equal draws anywhere.
 */
export const seededUniform = (seed: SeedWords): Uniform => {
  // Words are kept signed: V8 holds an unsigned word above 2^31 as an object.
  let a = seed[0] | 0;
  let b = seed[1] | 0;
  let c = seed[2] | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let round = 0; round < 15; round += 1) next();
  return next;
};

/** Seed words of a hash: its first 24 hex digits. */
export const seedOf = (hash: string): SeedWords => [
  Number.parseInt(hash.slice(0, 8), 16),
  Number.parseInt(hash.slice(8, 16), 16),
  Number.parseInt(hash.slice(16, 24), 16),
];
