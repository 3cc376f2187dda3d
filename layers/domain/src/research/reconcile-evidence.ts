import type { BreakType } from '../enumerations.ts';
import type { Signer } from '../evidence/envelope.ts';
import {
  signCheckpoint,
  verifyLedgerChain,
  type ChainedLedger,
  type CheckpointPorts,
} from '../evidence/ledger-chain.ts';
import type { VerificationKey } from '../evidence/published-key.ts';
import type { EvidenceStore } from '../evidence/store.ts';
import { verifyRun } from '../evidence/verify-run.ts';
import { hour, toText, type Instant } from '../instant.ts';
import type { Clock } from '../ports.ts';
import type { FoundBreak } from '../reconciliation/breaks.ts';
import type { ReconciledSource, ReconciliationLedger } from '../reconciliation/ports.ts';
import type { Telemetry } from '../telemetry.ts';

/** What the ledger has of a run. */
export interface RunOnRecord {
  readonly runId: string;
  readonly status: 'running' | 'completed' | 'failed' | 'skipped';
  readonly windowEnd: Instant;
  readonly manifestSha256: string | null;
  /** Tables in which a completed run has fewer rows than its full chain. */
  readonly incompleteTables: readonly string[];
}

export interface EvidencePorts {
  readonly reconciliation: Pick<ReconciliationLedger, 'beginRun' | 'finishRun' | 'underLock'>;
  /** Runs of which something happened in `[from, until)`: the window began, or the run ended; and all that still run. */
  readonly runs: (from: Instant, until: Instant) => Promise<readonly RunOnRecord[]>;
  readonly chain: ChainedLedger & CheckpointPorts['chain'];
  readonly store: EvidenceStore;
  /** What signs now. */
  readonly signer: () => Promise<Signer>;
  /** Whose signatures count: of what was signed before a key was replaced, too. */
  readonly trusted: () => Promise<readonly VerificationKey[]>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export interface EvidenceReconciliation {
  readonly completed: boolean;
  readonly runs: number;
  /** Entries of the chain that were walked. */
  readonly entries: number;
  readonly findings: number;
  /** Entry that was signed; null when there was nothing new, or something is wrong. */
  readonly signed: number | null;
}

interface Finding {
  readonly type: Extract<BreakType, `evidence_${string}`>;
  readonly code: string;
  readonly place: string;
  readonly detail: string;
}

const lookBackMs = 24 * hour;
/** A lane that ended left its evidence; one that did not was cut off. */
const longestRunMs = 2 * hour;
/** Breaks of one run of the reconciliation; the counts tell of the rest. */
const recordedFindings = 50;

/** Where something is not there; everything else that is found is there and wrong. */
const absences = /_missing$|^run_unsigned$/;
/** Nothing that a night has to report: verdicts age, a run that was skipped has none, and what is new is signed here. */
const expected = new Set(['statement_expired', 'statement_not_yet_valid', 'chain_unsigned', 'checkpoint_row_missing']);

const typeOf = (code: string): Finding['type'] =>
  absences.test(code) ? 'evidence_chain_incomplete' : 'evidence_hash_mismatch';

const findingsOfRun = async (
  { runId, status, manifestSha256, incompleteTables, windowEnd }: RunOnRecord,
  { store, clock }: EvidencePorts,
  trusted: readonly VerificationKey[],
): Promise<readonly Finding[]> => {
  const incomplete = (code: string, detail: string): Finding => ({
    type: 'evidence_chain_incomplete',
    code,
    place: runId,
    detail,
  });
  // A failed run says itself that its evidence is not there, and has an alarm.
  if (status === 'failed') return [];
  if (status === 'running')
    return clock.now() - windowEnd > longestRunMs
      ? [incomplete('run_unfinished', `expected the run to have ended, found it running since ${toText(windowEnd)}`)]
      : [];
  const tables = incompleteTables.map((table) =>
    incomplete('rows_missing', `${table}: fewer rows than a full chain has`),
  );
  if (manifestSha256 === null)
    return [...tables, incomplete('manifest_missing', 'expected a manifest in its row, found none')];
  const { findings } = await verifyRun(store, runId, { trusted, now: clock.now(), manifestSha256 });
  return [
    ...tables,
    ...findings
      .filter(({ code }) => !expected.has(code) && !(code === 'run_unsigned' && status === 'skipped'))
      .map(({ code, key, detail }): Finding => ({ type: typeOf(code), code, place: key, detail })),
  ];
};

const breakOf = ({ type, code, place, detail }: Finding): FoundBreak => ({
  type,
  symbol: null,
  orderRef: null,
  identity: { code, place },
  ours: { code, place },
  theirs: { detail },
  healed: false,
});

/**
 * The nightly look at what research left: rows, files, hashes, signatures and the chain of the last 24 hours' runs. What is
 * wrong becomes a critical break; when the chain is whole, its new end is signed. No evidence where there has to be some is
 * a break of its own. A store that cannot be read fails the run.
 * @param evidenceDue whether a market day with the lane enabled lies in those hours
 * @returns null when the run of this scheduled time was completed before
 */
export const reconcileEvidence = async (
  scheduledFor: Instant,
  evidenceDue: boolean,
  ports: EvidencePorts,
): Promise<EvidenceReconciliation | null> => {
  const { reconciliation, chain, store, clock, telemetry } = ports;
  const id = await reconciliation.beginRun('evidence', scheduledFor, clock.now());
  if (id === null) return null;
  const findings: Finding[] = [];
  let [runs, entries, signed] = [0, 0, null as number | null];
  let failure: string | null = null;
  try {
    const signer = await ports.signer();
    const trusted = await ports.trusted();
    const from = scheduledFor - lookBackMs;
    const recorded = await ports.runs(from, scheduledFor);
    runs = recorded.length;
    // What ended only now, or never does, is no evidence of the day.
    if (evidenceDue && !recorded.some(({ windowEnd }) => windowEnd > from))
      findings.push({
        type: 'evidence_empty',
        code: 'evidence_empty',
        place: toText(scheduledFor),
        detail: 'expected a research run within 24 hours of a market day, found none',
      });
    for (const run of recorded) findings.push(...(await findingsOfRun(run, ports, trusted)));

    const check = await verifyLedgerChain(chain, store, { trusted, now: clock.now() });
    ({ entries } = check);
    const broken = check.findings.filter(({ code }) => !expected.has(code) && !(code === 'chain_empty' && runs === 0));
    findings.push(...broken.map(({ code, place, detail }): Finding => ({ type: typeOf(code), code, place, detail })));
    if (broken.length === 0) {
      const outcome = await signCheckpoint({ chain, store, signer, trusted }, clock.now());
      if (outcome.ok) signed = outcome.signed?.sequence ?? null;
      else findings.push({ type: typeOf(outcome.finding.code), ...outcome.finding });
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    telemetry.error('the evidence was not read whole', { error });
  }
  telemetry.count('evidence_continuity_checks_total', 1);
  if (findings.length > 0 || failure !== null) telemetry.count('evidence_continuity_failures_total', 1);
  for (const { code, place, detail } of findings)
    telemetry.error('evidence is not as it was stored', { code, place, detail });
  await reconciliation.underLock(id, clock.now(), async (current) => {
    for (const finding of findings.slice(0, recordedFindings)) await current.record(breakOf(finding));
  });
  const source: ReconciledSource = {
    fetched: failure === null,
    complete: failure === null,
    asOf: clock.now(),
    detail: failure,
    facts: { runs, entries, findings: findings.length, signed },
  };
  const completed = failure === null;
  await reconciliation.finishRun(
    id,
    { sources: { evidence: source }, checked: runs + entries, completed },
    clock.now(),
  );
  return { completed, runs, entries, findings: findings.length, signed };
};
