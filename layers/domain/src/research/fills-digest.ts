import { sha256 } from '../canonical-json.ts';
import type { Simulation } from './engine.ts';

/** SHA-256 over all fills; two evaluations with the same one did the same. */
export const fillsDigest = (simulations: readonly Pick<Simulation, 'fills'>[]): string =>
  sha256(
    Buffer.concat(
      simulations.flatMap(({ fills }) =>
        [Float64Array.of(fills.count), fills.bar, fills.qty, fills.price].map((column) =>
          Buffer.from(column.buffer, column.byteOffset, column.byteLength),
        ),
      ),
    ),
  );
