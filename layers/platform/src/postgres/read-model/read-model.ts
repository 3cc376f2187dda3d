import type {
  AccountLabel,
  DecisionStatus,
  FreshnessInput,
  HistogramSample,
  Instant,
  OperationalMeasures,
  OrderState,
  ScalarSample,
} from '@torghut/domain';
import { readOperationalMeasures } from '../operational-measures.ts';
import type { Pool, Queryable } from '../pool.ts';
import { type AdapterStatesRead, readAdapterStates } from '../adapter-states-store.ts';
import { type ControlsRead, readControls } from '../controls-store.ts';
import { type BurnInReads, readBurnIn } from './burn-in.ts';
import { readCounters, readHistograms } from './measurements.ts';
import { type Operations, readOperations } from './operations.ts';
import {
  type DecisionRow,
  type ExecutionRow,
  listDecisions,
  listExecutions,
  type ProvenanceSummary,
  readProvenance,
  type RowFilter,
} from './orders.ts';
import { type ParityFilter, type ParityReads, readParity } from './parity.ts';
import {
  type AutonomyTotals,
  readAutonomy,
  readResearchWrites,
  readRunEvidence,
  type ResearchWrites,
  type RunEvidence,
} from './research.ts';
import { readFreshnessInput, readSessionToday, type SessionToday } from './signal-windows.ts';
import { inSnapshot } from './sql.ts';
import { readWhy, type WhyRows } from './why.ts';

export interface StatusReads {
  readonly operations: Operations;
  readonly freshness: FreshnessInput;
  /** Null when the calendar has no row for the date. */
  readonly today: SessionToday | null;
  readonly autonomy: AutonomyTotals;
}

export interface MeasurementReads extends StatusReads {
  readonly operational: OperationalMeasures;
  readonly counters: readonly ScalarSample[];
  readonly histograms: readonly HistogramSample[];
}

export interface EvidenceReads {
  readonly runs: readonly RunEvidence[];
  readonly today: SessionToday | null;
}

/** What the operator API reads, for one account. Every member is one consistent snapshot of a few statements. */
export interface OperatorReadModel {
  readonly account: AccountLabel;
  /** Null when the calendar has no row for the date. */
  today(now: Instant): Promise<SessionToday | null>;
  status(now: Instant): Promise<StatusReads>;
  measurements(now: Instant): Promise<MeasurementReads>;
  evidence(now: Instant, limit: number): Promise<EvidenceReads>;
  /** Runs of windows that began from `since` to `now`. */
  researchWrites(since: Instant, now: Instant): Promise<ResearchWrites>;
  decisions(filter: RowFilter<DecisionStatus>): Promise<readonly DecisionRow[]>;
  executions(filter: RowFilter<OrderState>): Promise<readonly ExecutionRow[]>;
  provenance(since: Instant): Promise<ProvenanceSummary>;
  /** The rows behind a decision or an order; null when no row names the id. */
  why(id: string): Promise<WhyRows | null>;
  burnIn(since: Instant, until: Instant): Promise<BurnInReads>;
  parity(filter: ParityFilter, now: Instant): Promise<ParityReads>;
  controls(): Promise<ControlsRead>;
  /** The states in force and the newest `history` changes. */
  adapters(history: number): Promise<AdapterStatesRead>;
}

const readStatus = async (db: Queryable, account: AccountLabel, now: Instant): Promise<StatusReads> => {
  const { input: freshness, today } = await readFreshnessInput(db, account, now);
  // One after the other: a connection runs one statement at a time anyway.
  const operations = await readOperations(db, account, now);
  return { freshness, today, operations, autonomy: await readAutonomy(db, account, now) };
};

export const operatorReadModel = (pool: Pool, account: AccountLabel): OperatorReadModel => ({
  account,
  today: (now) => readSessionToday(pool, now),
  status: (now) => inSnapshot(pool, (db) => readStatus(db, account, now)),
  measurements: (now) =>
    inSnapshot(pool, async (db) => ({
      ...(await readStatus(db, account, now)),
      operational: await readOperationalMeasures(db, account, now),
      counters: await readCounters(db, account),
      histograms: await readHistograms(db, account),
    })),
  evidence: (now, limit) =>
    inSnapshot(pool, async (db) => ({
      today: await readSessionToday(db, now),
      runs: await readRunEvidence(db, account, now, limit),
    })),
  researchWrites: (since, now) => readResearchWrites(pool, account, since, now),
  decisions: (filter) => listDecisions(pool, account, filter),
  executions: (filter) => listExecutions(pool, account, filter),
  provenance: (since) => readProvenance(pool, account, since),
  why: (id) => inSnapshot(pool, (db) => readWhy(db, account, id)),
  burnIn: (since, until) => inSnapshot(pool, (db) => readBurnIn(db, account, since, until)),
  parity: (filter, now) => inSnapshot(pool, (db) => readParity(db, account, filter, now)),
  controls: () => readControls(pool, account),
  adapters: (history) => inSnapshot(pool, (db) => readAdapterStates(db, account, history)),
});
