import type { Clock, Telemetry } from '@torghut/domain';
import type { EvidenceStore } from '@torghut/domain/evidence';
import { evidenceRequest, type ResearchLedger, type RunFailureCode } from '@torghut/domain/research';
import { earlierManifest, type EvidenceQueue, type StoredManifest } from './announce.ts';
import { LaneFailed, OutOfReach, reasonOf } from './lane-failed.ts';

/** What became of a run about which nothing more will be done. */
export type Ending =
  | { readonly kind: 'failed'; readonly runId: string; readonly detail: string }
  /** Its evidence was complete by then, and is on its way to the ledger. */
  | { readonly kind: 'handed_on'; readonly runId: string; readonly manifestKey: string }
  /** It had its end already, or never began. */
  | { readonly kind: 'not_running'; readonly runId: string };

export interface EndPorts {
  readonly ledger: Pick<ResearchLedger, 'fail' | 'bury'>;
  readonly store: Pick<EvidenceStore, 'list'>;
  readonly send: EvidenceQueue;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Ends a run with the code of what went wrong; what is not known by a name is an error of the evaluation. Evidence that was
 * complete before is not lost by it: it is handed on, or can be later.
 * @throws OutOfReach when the ledger does not answer
 */
export const failRun = async (runId: string, error: unknown, ports: EndPorts): Promise<Ending> => {
  const detail = error instanceof Error ? error.message : String(error);
  let manifest: StoredManifest | null;
  try {
    manifest = await earlierManifest(runId, ports.store);
  } catch (unanswered) {
    // Only this code leaves the way open for evidence that may be on its way.
    const unknown = `${detail}; whether its evidence is stored cannot be told: ${reasonOf(unanswered)}`;
    return failRunning(runId, 'persistence_failed', unknown, ports);
  }
  if (manifest === null)
    return failRunning(runId, error instanceof LaneFailed ? error.code : 'evaluation_error', detail, ports);
  return handOn(runId, manifest, detail, ports);
};

/** Ends a run as `failRun`, unless what went wrong may go right when it is tried again. @throws OutOfReach */
export const failRunForGood = (runId: string, error: unknown, ports: EndPorts): Promise<Ending> => {
  if (error instanceof OutOfReach) throw error;
  return failRun(runId, error, ports);
};

/** Fails a run that left no evidence, if it has no end yet. @throws OutOfReach */
export const failRunning = async (
  runId: string,
  code: RunFailureCode,
  detail: string,
  { ledger, clock, telemetry }: Pick<EndPorts, 'ledger' | 'clock' | 'telemetry'>,
): Promise<Ending> => {
  if (!(await ledger.fail(runId, code, { detail }, clock.now()))) {
    telemetry.warn('research run was to fail, and is not running', { runId, code, detail });
    return { kind: 'not_running', runId };
  }
  telemetry.error('research run failed', { runId, code, detail });
  return { kind: 'failed', runId, detail };
};

/** Tells the ledger's writer once more; what nobody takes is a dead letter, and the run fails with what mends it. */
const handOn = async (
  runId: string,
  { key, sha256 }: StoredManifest,
  detail: string,
  { ledger, send, clock, telemetry }: EndPorts,
): Promise<Ending> => {
  const request = evidenceRequest(runId, sha256);
  try {
    await send(request);
  } catch (error) {
    const refusal = { code: 'persistence_failed', detail: reasonOf(error) } as const;
    await ledger.bury(request, refusal, { strict: true, now: clock.now() });
    telemetry.error('evidence of a research run could not be handed on', { runId, ...refusal });
    return { kind: 'failed', runId, detail: `${refusal.code}: ${refusal.detail}` };
  }
  telemetry.warn('evidence of a research run was handed on again', { runId, detail });
  return { kind: 'handed_on', runId, manifestKey: key };
};
