import { canonicalJson, sha256, type Hash, type Json } from '@torghut/domain';
import type { EvidenceReads, EvidenceStore } from '@torghut/domain/evidence';
import {
  artifactSchemas,
  evaluationInputOf,
  loadSnapshots,
  type CountedPlan,
  type Task,
} from '@torghut/domain/research';
import * as z from 'zod';
import type { ClosableRun } from './close.ts';

/**
 * What goes from step to step of a run whose tasks run elsewhere: documents of the store, named by their content, so that a
 * step that is repeated finds and leaves the same.
 */
export interface WorkDocument {
  readonly run: Omit<ClosableRun, 'input' | 'dataset'>;
  /** Key of the dataset's list of snapshots. */
  readonly datasetKey: string;
  readonly context: { readonly noSignalWindows: number; readonly windowOverlapSeconds: number };
  readonly plan: CountedPlan;
  /** Which tasks come next. */
  readonly tasks: readonly Task[];
}

/** What is stored is what this code stored: the version is enough to refuse another form. */
const envelopeSchema = z.object({ schema_version: z.literal('torghut.research-work.v2'), content: z.unknown() });

const encoder = new TextEncoder();

/** Stores a document under the run; resolves with its key. */
export const storeWork = async (
  runId: string,
  name: string,
  content: unknown,
  store: Pick<EvidenceStore, 'put'>,
): Promise<string> => {
  // Through JSON: what is not plain data would come back as something else.
  const plain = JSON.parse(JSON.stringify(content)) as Json;
  const bytes = encoder.encode(canonicalJson({ schema_version: 'torghut.research-work.v2', content: plain }));
  // Not below the run's evidence, of which every object is listed and signed.
  const key = `work/${runId}/${name}-${sha256(bytes)}.json`;
  await store.put(key, bytes);
  return key;
};

/** @throws Error when nothing is stored under the key, or something that the key does not name */
export const loadWork = async <Content>(key: string, store: Pick<EvidenceReads, 'get'>): Promise<Content> => {
  const bytes = await store.get(key);
  if (bytes === null) throw new Error(`${key}: expected a document of an earlier step, found nothing`);
  const named = /-([0-9a-f]{64})\.json$/.exec(key)?.[1];
  const digest: Hash = sha256(bytes) as Hash;
  if (digest !== named) throw new Error(`${key}: expected bytes of SHA-256 ${named ?? 'in the key'}, found ${digest}`);
  return envelopeSchema.parse(JSON.parse(new TextDecoder().decode(bytes))).content as Content;
};

/** The strategy, dataset and plan of a document, with the data. @throws Error when a snapshot is not what was stored */
export const openWork = async (
  key: string,
  store: Pick<EvidenceReads, 'get'>,
): Promise<{ readonly document: WorkDocument; readonly run: ClosableRun }> => {
  const document = await loadWork<WorkDocument>(key, store);
  const listed = await store.get(document.datasetKey);
  if (listed === null) throw new Error(`${document.datasetKey}: expected the dataset of the run, found nothing`);
  const dataset = artifactSchemas.dataset.parse(JSON.parse(new TextDecoder().decode(listed)));
  const loaded = await loadSnapshots(dataset, store);
  if (!loaded.ok) throw new Error(`${loaded.key}: ${loaded.code}: ${loaded.detail}`);
  const input = evaluationInputOf(dataset, loaded.snapshots, document.context);
  return { document, run: { ...document.run, dataset, input } };
};
