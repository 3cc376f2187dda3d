import { laneErrors } from '@torghut/domain';
import type { RunFailureCode } from '@torghut/domain/research';

const laneFailureCodes = [
  'dataset_unavailable',
  'evaluation_error',
  'artifact_write_failed',
  'signing_failed',
  'persistence_failed',
] as const satisfies readonly RunFailureCode[];
export type LaneFailureCode = (typeof laneFailureCodes)[number];

/** What an error says, without the code that an earlier catch put before it. */
export const reasonOf = (error: unknown): string => {
  if (error instanceof LaneFailed) return reasonOf(error.cause);
  return error instanceof Error ? error.message : String(error);
};

/** A step that failed for a reason of its own; the run is ended with the code. */
export class LaneFailed extends Error {
  override readonly name: string = 'LaneFailed';
  readonly code: LaneFailureCode;

  constructor(code: LaneFailureCode, cause: unknown) {
    super(`${code}: ${reasonOf(cause)}`, { cause });
    this.code = code;
  }

  /** The error of this message, as another process threw it; null when it is not one. */
  static fromMessage(message: string): LaneFailed | null {
    const code = laneFailureCodes.find((one) => message.startsWith(`${one}: `));
    return code === undefined ? null : new LaneFailed(code, message.slice(code.length + 2));
  }
}

/** What a step reaches for does not answer. The state machine tries the step again before the run fails with the code. */
export class OutOfReach extends LaneFailed {
  override readonly name = laneErrors.outOfReach;
}
