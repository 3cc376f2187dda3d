import { toText, universeHash, type Clock, type Instant, type Telemetry, type Ticker } from '@torghut/domain';
import {
  artifactOf,
  artifactOfText,
  manifestOf,
  sealStatement,
  verdictStatement,
  type Artifact,
  type EvidenceStore,
  type Signer,
} from '@torghut/domain/evidence';
import {
  assembleRun,
  evidenceRequest,
  noSignalsSchema,
  type Backtest,
  type DatasetArtifact,
  type EvaluationInput,
  type EvidenceRequest,
  type GatePolicy,
  type GateEvidenceSource,
  type GateReport,
  type LaneStrategy,
  type ResearchLedger,
} from '@torghut/domain/research';
import type { LaneWindow, Opened } from './open.ts';

/** Where messages for the evidence writer go. */
export type EvidenceQueue = (request: EvidenceRequest) => Promise<void>;

export interface ClosePorts {
  readonly store: EvidenceStore;
  readonly signer: Signer;
  readonly evidence: GateEvidenceSource;
  readonly ledger: Pick<ResearchLedger, 'fail'>;
  readonly send: EvidenceQueue;
  readonly policy: { readonly gates: GatePolicy };
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** What closing needs of an open run. */
export interface ClosableRun {
  readonly runId: string;
  readonly window: LaneWindow;
  readonly strategy: LaneStrategy;
  readonly symbols: readonly Ticker[];
  readonly dataset: DatasetArtifact;
  readonly input: EvaluationInput;
}

export interface Closed {
  readonly runId: string;
  readonly manifestKey: string;
  readonly report: GateReport;
}

/** A step that failed for a reason of its own; the run is ended with the code. */
export class LaneFailed extends Error {
  override readonly name = 'LaneFailed';
  readonly code: 'artifact_write_failed' | 'signing_failed';

  constructor(code: LaneFailed['code'], cause: unknown) {
    super(`${code}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.code = code;
  }
}

const orFail = async <T>(code: LaneFailed['code'], work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw new LaneFailed(code, error);
  }
};

/** Stores artifacts and their manifest, the manifest last: what it lists is there. Then the ledger's writer is told. */
const publish = async (
  runId: string,
  artifacts: readonly Artifact[],
  { store, send }: Pick<ClosePorts, 'store' | 'send'>,
): Promise<string> => {
  const manifest = manifestOf(runId, artifacts);
  await orFail('artifact_write_failed', async () => {
    for (const { key, bytes } of artifacts) await store.put(key, bytes);
    await store.put(manifest.key, manifest.bytes);
  });
  await send(evidenceRequest(runId, manifest.sha256));
  return manifest.key;
};

/**
 * Ends an evaluated run: statistics, gates, signature, artifacts, and the message by which its rows get into the ledger.
 * @throws LaneFailed
 */
export const closeRun = async (run: ClosableRun, backtest: Backtest, ports: ClosePorts): Promise<Closed> => {
  const { runId, window, strategy, symbols, dataset, input } = run;
  const evaluatedAt: Instant = window.end;
  const assembled = assembleRun(backtest, input, {
    runId,
    strategy: {
      strategy_id: strategy.strategyId,
      name: strategy.name,
      description: strategy.description,
      enabled: strategy.enabled,
      strategy_type: strategy.strategyType,
      strategy_version: strategy.strategyVersion,
      base_timeframe: strategy.baseTimeframe,
      params: { ...strategy.params },
      profile: strategy.profile,
      universe_filter: strategy.universeFilter === null ? null : [...strategy.universeFilter],
      priority: strategy.priority,
      max_position_pct_equity: strategy.maxPositionPctEquity,
      max_notional_per_trade: strategy.maxNotionalPerTrade,
    },
    universeHash: universeHash(symbols),
    evaluatedAt,
    target: 'paper',
    fromStage: 'shadow',
    policy: ports.policy.gates,
    external: await ports.evidence.read(strategy.strategyId, evaluatedAt),
    signingKeyId: ports.signer.keyId,
    requestedBy: 'research-lane',
  });
  const unsigned = [artifactOf(runId, 'dataset', dataset), ...assembled.artifacts];
  const envelope = await orFail('signing_failed', () =>
    sealStatement(verdictStatement(unsigned, assembled.gateReport, assembled.expiresAt), ports.signer),
  );
  const artifacts = [...unsigned, artifactOfText(runId, 'gate-envelope', envelope)];
  const manifestKey = await publish(runId, artifacts, ports);
  return { runId, manifestKey, report: assembled.gateReport };
};

/** Ends a run that had nothing to evaluate: the reason is evidence as well. */
export const closeSkipped = async (
  { runId, reason, detail }: Extract<Opened, { readonly kind: 'skipped' }>,
  window: LaneWindow,
  ports: Pick<ClosePorts, 'store' | 'send'>,
): Promise<string> => {
  const content = noSignalsSchema.parse({
    schema_version: 'torghut.no-signals.v1',
    run_id: runId,
    window_start: toText(window.start),
    window_end: toText(window.end),
    no_signal_reason: reason,
    detail,
    observed_at: toText(window.end),
  });
  return publish(runId, [artifactOf(runId, 'no-signals', content)], ports);
};
