import type { Commands } from './child.ts';

/** Where everything of one run lies and what ends with it. */
export interface Machine {
  readonly root: string;
  /** Temporary directory of this run. */
  readonly directory: string;
  readonly commands: Commands;
  readonly cleanup: AsyncDisposableStack;
  /** Once aborted, nothing is to be started any more. */
  readonly interrupted: AbortSignal;
}
