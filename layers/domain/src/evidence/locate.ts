/**
 * Where stored bytes differ from what was stored, without a copy of them. Each block carries two sums over its bytes; one
 * altered byte shifts the first by its change and the second by its change times its position, so the quotient is the
 * position. Whether the byte found is really the one, the content hash of the whole decides.
 */
export const locatorBlockBytes = 4096;

/** Prime above every sum's terms: 255 times 4096. */
const prime = 2_147_483_647;

/** Two sums of one block: of its bytes, and of its bytes times their positions from 1. */
export type BlockLocator = readonly [sum: number, weighted: number];

const locatorOf = (block: Uint8Array): BlockLocator => {
  let [sum, weighted] = [0, 0];
  for (let index = 0; index < block.length; index += 1) {
    const byte = block[index] ?? 0;
    sum += byte;
    weighted += byte * (index + 1);
  }
  return [sum, weighted % prime];
};

/** Locators of all blocks, in order; none for no bytes. */
export const locatorsOf = (bytes: Uint8Array): readonly BlockLocator[] =>
  Array.from({ length: Math.ceil(bytes.length / locatorBlockBytes) }, (_, block) =>
    locatorOf(bytes.subarray(block * locatorBlockBytes, (block + 1) * locatorBlockBytes)),
  );

/** What is wrong with bytes. Offsets count from 0; `last` is included. */
export type Damage =
  | { readonly kind: 'byte'; readonly offset: number; readonly expected: number; readonly found: number }
  | { readonly kind: 'range'; readonly offset: number; readonly last: number }
  | { readonly kind: 'length'; readonly expected: number; readonly found: number; readonly offset: number };

const inverse = (value: number): bigint => {
  // Fermat: value^(p-2) modulo the prime p.
  const p = BigInt(prime);
  let [base, exponent, result] = [((BigInt(value) % p) + p) % p, p - 2n, 1n];
  while (exponent > 0n) {
    if (exponent & 1n) result = (result * base) % p;
    base = (base * base) % p;
    exponent >>= 1n;
  }
  return result;
};

/**
 * The first damage of `found` against the locators and length of what was stored; null when no locator differs.
 * @param isOriginal whether corrected bytes are the stored ones, by their content hash
 */
export const locateDamage = (
  found: Uint8Array,
  expectedBytes: number,
  locators: readonly BlockLocator[],
  isOriginal: (bytes: Uint8Array) => boolean,
): Damage | null => {
  const own = locatorsOf(found);
  const damaged = locators.findIndex(([sum, weighted], block) => own[block]?.[0] !== sum || own[block][1] !== weighted);
  const start = Math.max(0, damaged === -1 ? expectedBytes : damaged * locatorBlockBytes);
  if (found.length !== expectedBytes)
    return { kind: 'length', expected: expectedBytes, found: found.length, offset: Math.min(start, found.length) };
  if (damaged === -1) return null;
  const last = Math.min(start + locatorBlockBytes, expectedBytes) - 1;
  const [expected, actual] = [locators[damaged], own[damaged]];
  if (expected !== undefined && actual !== undefined) {
    const change = actual[0] - expected[0];
    const position = Number((BigInt(actual[1] - expected[1]) * inverse(change)) % BigInt(prime));
    const offset = start + ((position + prime) % prime) - 1;
    const byte = found[offset];
    const original = byte === undefined ? -1 : byte - change;
    if (change !== 0 && byte !== undefined && offset >= start && offset <= last && original >= 0 && original <= 255) {
      const corrected = Uint8Array.from(found);
      corrected[offset] = original;
      if (isOriginal(corrected)) return { kind: 'byte', offset, expected: original, found: byte };
    }
  }
  return { kind: 'range', offset: start, last };
};

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

/** One line for people. */
export const describeDamage = (damage: Damage): string => {
  switch (damage.kind) {
    case 'byte':
      return `byte ${damage.offset}: expected ${hex(damage.expected)}, found ${hex(damage.found)}`;
    case 'range':
      return `more than one byte differs, the first of them within bytes ${damage.offset} to ${damage.last}`;
    case 'length':
      return `expected ${damage.expected} bytes, found ${damage.found}; the first ${damage.offset} are as stored`;
  }
};
