import type { InvocationTelemetry } from '../telemetry/invocation-telemetry.ts';

/** What every invocation of a function that works on the ledger needs beside the ports of its work. */
export interface Invocation {
  readonly telemetry: InvocationTelemetry;
  /**
   * Comes before any work: whether the database is still one this code works with, asked at most every 60 s.
   * @throws BootRefused
   */
  readonly ensureBoot: () => Promise<void>;
}
