import { toText, universeHash, type Clock, type Instant, type Telemetry, type Ticker } from '@torghut/domain';
import {
  artifactOf,
  artifactOfText,
  manifestOf,
  readManifest,
  sealStatement,
  verdictStatement,
  type Artifact,
  type EvidenceStore,
  type Signer,
} from '@torghut/domain/evidence';
import {
  artifactSchemas,
  assembleRun,
  noSignalsSchema,
  type Backtest,
  type DatasetArtifact,
  type EvaluationInput,
  type GatePolicy,
  type GateEvidenceSource,
  type GateReport,
  type LaneStrategy,
} from '@torghut/domain/research';
import { announce, earlierManifest, type EvidenceQueue, type StoredManifest } from './announce.ts';
import { LaneFailed, OutOfReach } from './lane-failed.ts';
import type { LaneWindow, Opened } from './open.ts';

export interface ClosePorts {
  readonly store: EvidenceStore;
  readonly signer: Signer;
  readonly evidence: GateEvidenceSource;
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

const orFail = async <T>(code: LaneFailed['code'], work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OutOfReach ? error : new LaneFailed(code, error);
  }
};

type PublishPorts = Pick<ClosePorts, 'store' | 'send' | 'clock'>;

/** Stores artifacts and their manifest, the manifest last: what it lists is there. Then the ledger's writer is told. */
const publish = async (runId: string, artifacts: readonly Artifact[], ports: PublishPorts): Promise<string> => {
  const manifest = manifestOf(runId, artifacts);
  await orFail('artifact_write_failed', async () => {
    for (const { key, bytes } of artifacts) await ports.store.put(key, bytes);
    await ports.store.put(manifest.key, manifest.bytes);
  });
  await announce(runId, manifest.sha256, ports);
  return manifest.key;
};

const storedReport = async (
  { key, sha256: digest }: StoredManifest,
  store: Pick<EvidenceStore, 'get'>,
): Promise<GateReport> => {
  const read = readManifest(key, (await store.get(key)) ?? new Uint8Array(), digest);
  if (!read.ok) throw new LaneFailed('artifact_write_failed', new Error(`${key}: ${read.finding.detail}`));
  const reportKey = read.manifest.artifacts.find(({ name }) => name === 'gate-report')?.key ?? '';
  const bytes = (await store.get(reportKey)) ?? new Uint8Array();
  return artifactSchemas['gate-report'].parse(JSON.parse(new TextDecoder().decode(bytes)));
};

/**
 * Ends an evaluated run: statistics, gates, signature, artifacts, and the message by which its rows get into the ledger.
 * @throws LaneFailed
 */
export const closeRun = async (run: ClosableRun, backtest: Backtest, ports: ClosePorts): Promise<Closed> => {
  const { runId, window, strategy, symbols, dataset, input } = run;
  const earlier = await earlierManifest(runId, ports.store);
  if (earlier !== null) {
    await announce(runId, earlier.sha256, ports);
    return { runId, manifestKey: earlier.key, report: await storedReport(earlier, ports.store) };
  }
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
  ports: PublishPorts,
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
