import { type Json } from '@torghut/domain';
import {
  artifactOf,
  artifactOfText,
  manifestOf,
  sealStatement,
  snapshotKey,
  verdictStatement,
  type Artifact,
  type Signer,
} from '@torghut/domain/evidence';
import {
  assembleRun,
  datasetArtifactOf,
  evaluationInputOf,
  featuresOf,
  inThisThread,
  runBacktest,
  snapshotsOf,
  storedSnapshot,
  type AssembledRun,
} from '@torghut/domain/research';
import { runId, type Objects } from '../evidence/stored-run.ts';
import { contextOf, planOf, TrialBook, tradingDays, wanderingSeries } from './lane-fixture.ts';

/** Changes of artifacts, as a lane that lies would make them. */
export type Changes = Readonly<
  Partial<Record<Artifact['name'], (content: Record<string, Json>) => Record<string, Json>>>
>;

export interface LanedRun {
  readonly codeHash: string;
  readonly evaluated: AssembledRun;
  readonly snapshotKeys: readonly string[];
  /** Everything the run stores, signed, with other content where it is changed. */
  readonly stored: (changes?: Changes) => Promise<Objects>;
}

/** A run that was really evaluated: two symbols, nine sessions, three candidates. */
export const lanedRun = async (signer: Signer): Promise<LanedRun> => {
  const days = tradingDays(9);
  const snapshots = ['AAPL', 'NVDA'].flatMap((symbol, index) => {
    const series = wanderingSeries(symbol, days, 7 + index);
    return snapshotsOf({ series, features: featuresOf(series) }).map(storedSnapshot);
  });
  const dataset = datasetArtifactOf(snapshots, { timeframe: '1Min', evidenceClass: 'observed' });
  const input = evaluationInputOf(
    dataset,
    snapshots.map(({ snapshot }) => snapshot),
    { noSignalWindows: 3, windowOverlapSeconds: 15 },
  );
  const evaluated = assembleRun(
    await runBacktest(new TrialBook(), inThisThread(input), runId, planOf(input, 3)),
    input,
    contextOf({ runId, signingKeyId: signer.keyId }),
  );

  const stored = async (changes: Changes = {}): Promise<Objects> => {
    const artifacts = evaluated.artifacts.map((artifact) => {
      const change = changes[artifact.name];
      const content = JSON.parse(new TextDecoder().decode(artifact.bytes)) as Record<string, Json>;
      return change === undefined ? artifact : artifactOf(runId, artifact.name, change(content));
    });
    const unsigned = [artifactOf(runId, 'dataset', dataset), ...artifacts];
    const report = artifacts.find(({ name }) => name === 'gate-report')?.bytes;
    const fields = JSON.parse(new TextDecoder().decode(report)) as typeof evaluated.gateReport;
    const statement = verdictStatement(unsigned, fields, evaluated.expiresAt);
    const all = [...unsigned, artifactOfText(runId, 'gate-envelope', await sealStatement(statement, signer))];
    const manifest = manifestOf(runId, all);
    return new Map<string, Uint8Array>([
      ...all.map(({ key, bytes }): [string, Uint8Array] => [key, bytes]),
      ...snapshots.map(({ sha256, bytes }): [string, Uint8Array] => [snapshotKey(sha256), bytes]),
      [manifest.key, manifest.bytes],
    ]);
  };
  return {
    codeHash: 'c'.repeat(64),
    evaluated,
    snapshotKeys: snapshots.map(({ sha256 }) => snapshotKey(sha256)),
    stored,
  };
};
