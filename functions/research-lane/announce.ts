import type { Clock } from '@torghut/domain';
import type { EvidenceStore } from '@torghut/domain/evidence';
import { evidenceRequest, persistenceRetryMs, type EvidenceRequest } from '@torghut/domain/research';
import { LaneFailed, OutOfReach } from './lane-failed.ts';

/** Where messages for the evidence writer go. */
export type EvidenceQueue = (request: EvidenceRequest) => Promise<void>;

/**
 * Tells the ledger's writer of stored evidence.
 * @throws LaneFailed when nobody takes the message; the run is still open then, and can be announced again
 */
export const announce = async (
  runId: string,
  manifestSha256: string,
  { send, clock }: { readonly send: EvidenceQueue; readonly clock: Clock },
): Promise<void> => {
  const request = evidenceRequest(runId, manifestSha256);
  try {
    await retried(() => send(request), clock);
  } catch (error) {
    throw error instanceof OutOfReach ? error : new LaneFailed('persistence_failed', error);
  }
};

const retried = async (work: () => Promise<void>, clock: Clock): Promise<void> => {
  for (const wait of persistenceRetryMs) {
    try {
      await work();
      return;
    } catch {
      await clock.sleep(wait);
    }
  }
  await work();
};

/** A manifest that is stored: everything it lists is there. */
export interface StoredManifest {
  readonly key: string;
  readonly sha256: string;
}

/**
 * The manifest of an earlier closing. No two signatures are alike, so closing again would leave two manifests of one run;
 * instead the first one is announced again.
 */
export const earlierManifest = async (
  runId: string,
  store: Pick<EvidenceStore, 'list'>,
): Promise<StoredManifest | null> => {
  const [key] = await store.list(`evidence/${runId}/manifest-`);
  const digest = key === undefined ? undefined : /-([0-9a-f]{64})\.json$/.exec(key)?.[1];
  return key === undefined || digest === undefined ? null : { key, sha256: digest };
};
