import type { DimensionArguments, GaugeName, ScalarSample } from '../metrics.ts';
import type { Telemetry } from '../telemetry.ts';

/** One value of a gauge. */
export interface GaugeSample extends ScalarSample {
  readonly name: GaugeName;
}

/** The sample of a gauge, or none: a value that is not known is absent, which is not 0. */
export const gaugeSample = <N extends GaugeName>(
  name: N,
  value: number | boolean | null | undefined,
  ...[dimensions]: DimensionArguments<N>
): GaugeSample[] =>
  value === null || value === undefined ? [] : [{ name, dimensions: dimensions ?? {}, value: Number(value) }];

/** Sets every gauge that has a sample. */
export const setGauges = (telemetry: Telemetry, samples: readonly GaugeSample[]): void => {
  for (const { name, value, dimensions } of samples) {
    // That the dimensions are those of the name was checked where the sample was made.
    telemetry.gauge<GaugeName>(name, value, dimensions);
  }
};
