import { SettingsError, type Clock, type Telemetry } from '@torghut/domain';
import type { EvidenceReads, VerificationKey } from '@torghut/domain/evidence';
import {
  persistenceRetryMs,
  readRunRows,
  type EvidenceRequest,
  type PersistenceRefusal,
  type ResearchLedger,
  type StoreOutcome,
} from '@torghut/domain/research';
import { SigningKeyError } from '@torghut/platform';

export interface EvidenceWriterPorts {
  /** Opened anew for every attempt that has none: a database that is away must not end the function. */
  readonly ledger: () => Promise<ResearchLedger>;
  readonly store: EvidenceReads;
  /** Keys whose verdicts become rows. Asked for with every attempt, since who knows them may be away. */
  readonly trusted: () => Promise<readonly VerificationKey[]>;
  /** Whether a run fails whose evidence could not be stored. */
  readonly strict: boolean;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** The evidence of a run is a dead letter now. Thrown, so that the queue keeps the message among its dead letters. */
export class EvidenceNotStored extends Error {
  override readonly name = 'EvidenceNotStored';

  constructor(runId: string, { code, detail }: PersistenceRefusal) {
    super(`run ${runId}: ${code}: ${detail}; mend the cause, then: npx torghut research redrive`);
  }
}

/**
 * Turns the stored evidence of a run into the rows of the ledger, all of them or none. What cannot be reached is tried
 * again after 1, 4 and 16 s; what is wrong with the evidence itself is not.
 * @throws EvidenceNotStored
 */
export const writeEvidence = async (request: EvidenceRequest, ports: EvidenceWriterPorts): Promise<void> => {
  const { clock, telemetry } = ports;
  const run = { run_id: request.run_id };
  const waits = [0, ...persistenceRetryMs];
  let failure: unknown = null;
  for (const [index, wait] of waits.entries()) {
    if (wait > 0) await clock.sleep(wait);
    try {
      const outcome = await attempt(request, ports);
      if (outcome.kind === 'refused') return await bury(request, outcome.refusal, ports);
      telemetry.info('evidence of a run is in the ledger', { ...run, outcome: outcome.kind, attempt: index + 1 });
      return;
    } catch (error) {
      if (error instanceof EvidenceNotStored) throw error;
      failure = error;
      telemetry.warn('evidence of a run was not stored; what was written of it is rolled back', {
        ...run,
        attempt: index + 1,
        of: waits.length,
        error,
      });
    }
  }
  const detail = failure instanceof Error ? failure.message : String(failure);
  await bury(request, { code: 'persistence_failed', detail }, ports);
};

const attempt = async (
  request: EvidenceRequest,
  { ledger, store, trusted, clock }: EvidenceWriterPorts,
): Promise<StoreOutcome> => {
  const keys = await usable(trusted);
  if (!keys.ok) return { kind: 'refused', refusal: { code: 'keys_unusable', detail: keys.detail } };
  const read = await readRunRows(request, store, { trusted: keys.trusted, now: clock.now() });
  return read.ok ? (await ledger()).store(read.rows, clock.now()) : { kind: 'refused', refusal: read.refusal };
};

type Keys =
  { readonly ok: true; readonly trusted: readonly VerificationKey[] } | { readonly ok: false; readonly detail: string };

/** Keys that are away may come back; what was published and is no key stays what it is. */
const usable = async (trusted: EvidenceWriterPorts['trusted']): Promise<Keys> => {
  try {
    return { ok: true, trusted: await trusted() };
  } catch (error) {
    if (error instanceof SettingsError || error instanceof SigningKeyError) return { ok: false, detail: error.message };
    throw error;
  }
};

const bury = async (
  request: EvidenceRequest,
  refusal: PersistenceRefusal,
  { ledger, strict, clock, telemetry }: EvidenceWriterPorts,
): Promise<never> => {
  telemetry.count('dead_letters_total', 1, { source: 'research_persistence' });
  try {
    await (await ledger()).bury(request, refusal, { strict, now: clock.now() });
  } catch (error) {
    // The queue keeps the message and the metric is out: the row is for those who look into the ledger.
    telemetry.error('the dead letter of a run could not be recorded in the ledger', { run_id: request.run_id, error });
  }
  throw new EvidenceNotStored(request.run_id, refusal);
};
