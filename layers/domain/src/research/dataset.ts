import type { EvidenceClass } from '../enumerations.ts';
import { checkArtifact } from '../evidence/manifest.ts';
import { locatorsOf } from '../evidence/locate.ts';
import { snapshotKey, type EvidenceReads } from '../evidence/store.ts';
import { featureContractHash, featureContractVersion } from '../features/contract.ts';
import { toText, type Instant } from '../instant.ts';
import { datasetHashOf, type ResearchArtifact } from './artifacts.ts';
import type { EvaluationInput } from './evaluation-input.ts';
import { decodeSnapshot, roomFor, symbolDataOf, type SessionSnapshot, type StoredSnapshot } from './snapshot.ts';

export type DatasetArtifact = ResearchArtifact<'dataset'>;

/** What a dataset is beside its snapshots. */
export interface DatasetTraits {
  readonly timeframe: string;
  readonly evidenceClass: EvidenceClass;
}

/** End of the last bar; the opening of a session without one. */
const endOf = ({ bars: { start }, barMs, session }: SessionSnapshot): Instant =>
  start.length === 0 ? session.openAt : (start.at(-1) ?? 0) + barMs;

/** The list of what a dataset consists of, as it is stored: by session, then symbol. */
export const datasetArtifactOf = (
  snapshots: readonly StoredSnapshot[],
  { timeframe, evidenceClass }: DatasetTraits,
): DatasetArtifact => {
  const ordered = snapshots.toSorted(
    ({ snapshot: a }, { snapshot: b }) =>
      a.session.openAt - b.session.openAt || (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0),
  );
  const [first] = ordered;
  if (first === undefined) throw new RangeError('expected at least one snapshot, found none');
  const entries = ordered.map(({ snapshot: { session, symbol, bars }, sha256, bytes }) => ({
    session_date: session.date,
    symbol,
    rows: bars.start.length,
    sha256,
    bytes: bytes.length,
    locators: locatorsOf(bytes).map(([sum, weighted]): [number, number] => [sum, weighted]),
  }));
  return {
    schema_version: 'torghut.dataset.v1',
    dataset_hash: datasetHashOf(entries),
    timeframe,
    evidence_class: evidenceClass,
    feature_contract_version: featureContractVersion,
    feature_contract_hash: featureContractHash,
    dataset_from: toText(first.snapshot.session.openAt),
    // The end of the last bar: a session that goes on is not known to its close.
    dataset_to: toText(Math.max(first.snapshot.session.openAt, ...ordered.map(({ snapshot }) => endOf(snapshot)))),
    snapshots: entries,
  };
};

/** What an evaluation is shown of a dataset. */
export const evaluationInputOf = (
  artifact: Pick<
    DatasetArtifact,
    'dataset_hash' | 'timeframe' | 'evidence_class' | 'feature_contract_version' | 'feature_contract_hash'
  >,
  snapshots: readonly SessionSnapshot[],
  context: Pick<EvaluationInput, 'noSignalWindows' | 'windowOverlapSeconds'>,
): EvaluationInput => {
  const data = symbolDataOf(snapshots);
  return {
    datasetHash: artifact.dataset_hash,
    timeframe: artifact.timeframe,
    evidenceClass: artifact.evidence_class,
    featureContract: { version: artifact.feature_contract_version, hash: artifact.feature_contract_hash },
    sessions: (data[0]?.series.sessions ?? []).map(({ date, openAt, closeAt }) => ({ date, openAt, closeAt })),
    series: data.map(({ series }) => series),
    features: data.map(({ features }) => features),
    ...context,
  };
};

export type LoadedSnapshots =
  | { readonly ok: true; readonly snapshots: readonly SessionSnapshot[] }
  | {
      readonly ok: false;
      readonly code: 'artifact_missing' | 'artifact_altered' | 'snapshot_malformed';
      readonly key: string;
      readonly detail: string;
    };

/** Snapshots read at a time: enough to hide the way to the store, few enough for the memory of a function. */
const readsAtATime = 16;

/** The snapshots that a dataset lists, each checked against its hash; the first that is not what was stored is named. */
export const loadSnapshots = async (
  { snapshots: entries }: Pick<DatasetArtifact, 'snapshots'>,
  store: Pick<EvidenceReads, 'get'>,
): Promise<LoadedSnapshots> => {
  const loaded: SessionSnapshot[] = [];
  const moved = roomFor(entries);
  for (let from = 0; from < entries.length; from += readsAtATime) {
    const part = entries.slice(from, from + readsAtATime);
    const found = await Promise.all(part.map(({ sha256 }) => store.get(snapshotKey(sha256))));
    for (const [index, entry] of part.entries()) {
      const key = snapshotKey(entry.sha256);
      const bytes = found[index] ?? null;
      const finding = checkArtifact({ ...entry, name: 'dataset', key }, bytes);
      if (finding !== null)
        return {
          ok: false,
          code: finding.code === 'artifact_missing' ? finding.code : 'artifact_altered',
          key,
          detail: finding.detail,
        };
      const decoded = decodeSnapshot(bytes ?? new Uint8Array());
      if (!decoded.ok) return { ok: false, code: decoded.code, key, detail: decoded.detail };
      loaded.push(moved(decoded.snapshot));
    }
  }
  return { ok: true, snapshots: loaded };
};
