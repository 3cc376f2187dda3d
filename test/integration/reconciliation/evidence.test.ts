import { randomUUID } from 'node:crypto';
import { rm, writeFile, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { hour, newYorkInstant, stressCases, toText, type AccountLabel } from '@torghut/domain';
import {
  deploymentKeys,
  readVerificationKey,
  readVerificationKeys,
  publishedKeyText,
  type EvidenceStore,
  type Signer,
} from '@torghut/domain/evidence';
import { reconcileEvidence, type EvidencePorts } from '@torghut/domain/research';
import {
  createMemoryTelemetry,
  fileEvidenceStore,
  pooledResearchChain,
  postgresReconciliationLedger,
  readRunsOnRecord,
} from '@torghut/platform';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReplayClock } from '../../../infra/local/clock.ts';
import { readRunEvidence } from '../../../layers/platform/src/postgres/read-model/research.ts';
import { localSigner } from '../../domain/evidence/fixtures.ts';
import { keyOf, storedRun, type Objects } from '../../domain/evidence/stored-run.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, insertSampleRows, sampleRow } from '../../support/rows.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const account = 'paper' as AccountLabel;
const night = newYorkInstant('2026-02-14', '05:00');
const { signer } = localSigner();

let db: TestDatabase;
let directory: string;
let store: EvidenceStore;
let objects: Objects;
beforeEach(async () => {
  [db, directory] = await Promise.all([testDatabase(), temporaryDirectory('evidence-night')]);
  store = fileEvidenceStore(directory);
  objects = await storedRun(signer, {
    report: { evaluated_at: '2026-02-13T15:05:00.000Z' },
    expiresAt: '2026-02-14T09:00:00.000Z',
  });
});
afterEach(async () => {
  await Promise.all([db.close(), rm(directory, { recursive: true, force: true })]);
});

const telemetry = createMemoryTelemetry();
const portsOf = (over: Partial<EvidencePorts> = {}): EvidencePorts => ({
  reconciliation: postgresReconciliationLedger(db.app, { account, telemetry }),
  runs: (from, until) => readRunsOnRecord(db.app, account, from, until),
  chain: pooledResearchChain(db.app),
  store,
  signer: () => Promise.resolve(signer),
  trusted: () => Promise.resolve([readVerificationKey(signer.publicPem)]),
  clock: new ReplayClock(night),
  telemetry,
  ...over,
});
const reconcile = (at = night, due = true, over: Partial<EvidencePorts> = {}) =>
  reconcileEvidence(at, due, portsOf({ clock: new ReplayClock(at), ...over }));

/** A deployment that signs with another key, with what was published of earlier ones. */
const signedBy = (current: Signer, published = ''): Partial<EvidencePorts> => ({
  signer: () => Promise.resolve(current),
  trusted: () =>
    Promise.resolve(deploymentKeys(readVerificationKeys(published), readVerificationKey(current.publicPem))),
});

/** Open breaks as type, code and place. */
const breaks = async (): Promise<readonly string[]> => {
  const { rows } = await db.readonly.query<{ text: string }>(
    `SELECT break_type || ' ' || (ours ->> 'code') || ' ' || (ours ->> 'place') AS text FROM reconciliation_breaks
     WHERE severity = 'critical' AND status = 'open' ORDER BY 1`,
  );
  return rows.map(({ text }) => text);
};

/** The sample run with the full chain of its rows, and everything it stored. */
const completedRun = async ({
  stress = stressCases.length,
  folds = 5,
}: { stress?: number; folds?: number } = {}): Promise<void> => {
  await insertSampleRows(db.app, 'research_promotions');
  for (let fold = 2; fold <= folds; fold += 1)
    await insertRow(db.app, 'research_fold_metrics', sampleRow('research_fold_metrics', { fold_name: `fold-${fold}` }));
  for (const stress_case of stressCases.filter((one) => one !== 'spread_x2').slice(0, stress - 1))
    await insertRow(db.app, 'research_stress_metrics', sampleRow('research_stress_metrics', { stress_case }));
  for (const [key, bytes] of objects) await store.put(key, bytes);
  const manifest = keyOf(objects, 'manifest');
  await db.app.query(
    `UPDATE research_runs SET status = 'completed', manifest_key = $1, manifest_sha256 = $2, finished_at = now()`,
    [manifest, /-([0-9a-f]{64})/.exec(manifest)?.[1]],
  );
};

/** Another candidate of the sample run, with what its gates say. */
const insertCandidate = async (folds: number, codes: readonly string[]): Promise<void> => {
  const id = '00000000-0000-4000-8000-0000000000fe';
  const candidate = { id, candidate_id: 'cand-second', candidate_hash: 'cd'.repeat(32) };
  await insertRow(db.app, 'research_candidates', sampleRow('research_candidates', candidate));
  const gate = { id: randomUUID(), candidate_id: id, codes };
  await insertRow(db.app, 'gate_evaluations', sampleRow('gate_evaluations', gate));
  for (let fold = 1; fold <= folds; fold += 1)
    await insertRow(
      db.app,
      'research_fold_metrics',
      sampleRow('research_fold_metrics', { candidate_id: id, fold_name: `fold-${fold}` }),
    );
};

/** What the night and the operator are told of the folds of the sample run. */
const lackingFolds = async () => {
  const [shown] = await readRunEvidence(db.readonly, account, night, 1);
  const [found] = await readRunsOnRecord(db.readonly, account, night - 24 * hour, night);
  return { lacks_folds: shown?.lacks_folds, incomplete: found?.incompleteTables };
};

/** Somebody who owns the server: no trigger, no constraint and no grant is in the way. */
const intrude = async (statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: db.url('postgres') });
  await client.connect();
  try {
    await client.query('SET session_replication_role = replica');
    await client.query(statement);
  } finally {
    await client.end();
  }
};

const damage = async (key: string): Promise<void> => {
  const path = join(directory, key);
  const bytes = Uint8Array.from(objects.get(key) ?? []);
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
};

describe('[O3] the nightly look at evidence', () => {
  it('finds nothing wrong with a whole run, signs where the chain leads, and is done once', async () => {
    await completedRun();
    expect(await reconcile()).toMatchObject({ completed: true, runs: 1, findings: 0, signed: 18 });
    expect(await breaks()).toEqual([]);
    expect(await reconcile()).toBeNull();
    expect(await reconcile(night + 24 * hour, false)).toMatchObject({
      runs: 0,
      findings: 0,
      entries: 18,
      signed: null,
    });
  });

  it('no evidence of a market day is a break, and none is expected of another', async () => {
    expect(await reconcile(night, false)).toMatchObject({ findings: 0 });
    expect(await breaks()).toEqual([]);
    expect(await reconcile(night + 24 * hour)).toMatchObject({ completed: true, runs: 0, findings: 1 });
    expect(await breaks()).toEqual(['evidence_empty evidence_empty 2026-02-15T10:00:00.000Z']);
  });

  it('rows that are missing, files that are gone and bytes that differ are breaks, each with its place', async () => {
    await completedRun({ stress: 3 });
    const [report, evaluation] = [keyOf(objects, 'gate-report'), keyOf(objects, 'evaluation-report')];
    await rm(join(directory, report));
    await damage(evaluation);
    expect(await reconcile()).toMatchObject({ completed: true, findings: 3 });
    expect(await breaks()).toEqual([
      `evidence_chain_incomplete artifact_missing ${report}`,
      'evidence_chain_incomplete rows_missing abababababababababababab',
      `evidence_hash_mismatch artifact_altered ${evaluation}`,
    ]);
    // The same findings of the next night are the same breaks.
    await intrude(
      `UPDATE research_runs SET window_start = window_start + interval '1 day', window_end = window_end + interval '1 day'`,
    );
    await reconcile(night + 24 * hour);
    expect(await breaks()).toHaveLength(4);
    expect((await breaks()).at(-1)).toMatch(/^evidence_hash_mismatch row_altered research_runs /);
  });

  it.each<[string, number, readonly string[], boolean]>([
    ['its gates say that there were too few sessions', 2, ['insufficient_folds'], false],
    ['its gates say so, and there is none', 0, ['insufficient_folds'], false],
    ['its gates say nothing of it', 4, [], true],
    ['it has all of them', 5, [], false],
  ])('expects every candidate to have its folds: of a second one %s (%d folds)', async (_, folds, codes, lacks) => {
    await completedRun();
    await insertCandidate(folds, codes);
    expect(await lackingFolds()).toEqual({ lacks_folds: lacks, incomplete: lacks ? ['research_fold_metrics'] : [] });
  });

  it('takes the excuse of one candidate for no other', async () => {
    await completedRun({ folds: 1 });
    await insertCandidate(0, ['insufficient_folds']);
    expect(await lackingFolds()).toEqual({ lacks_folds: true, incomplete: ['research_fold_metrics'] });
  });

  it('a row that was changed behind the ledger is a break, and the chain is not signed', async () => {
    await completedRun();
    await intrude(`UPDATE gate_evaluations SET verdict = 'FAIL'`);
    expect(await reconcile()).toMatchObject({ findings: 1, signed: null });
    expect(await breaks()).toEqual([expect.stringMatching(/^evidence_hash_mismatch row_altered gate_evaluations /)]);
  });

  it('rows are what they were in whatever time zone the ledger is read', async () => {
    await completedRun();
    await intrude(`ALTER ROLE torghut_app IN DATABASE ${db.name} SET timezone = 'Asia/Kolkata'`);
    await db.app.query('SELECT 1');
    expect(await reconcile()).toMatchObject({ completed: true, findings: 0 });
  });

  it('evidence by another key is not taken for ours', async () => {
    await completedRun();
    expect(await reconcile(night, true, signedBy(localSigner().signer))).toMatchObject({ findings: 1 });
    expect(await breaks()).toEqual([expect.stringMatching(/^evidence_hash_mismatch wrong_key .*gate-envelope/)]);
  });

  it('a replaced key leaves what it signed good, and the next one signs from there', async () => {
    await completedRun();
    expect(await reconcile()).toMatchObject({ findings: 0, signed: 18 });
    const next = localSigner().signer;
    await insertRow(
      db.app,
      'research_runs',
      sampleRow('research_runs', { id: randomUUID(), run_id: 'cd'.repeat(12), status: 'running' }),
    );
    const later = night + 24 * hour;
    const published = publishedKeyText(signer.publicPem, night + hour);
    expect(await reconcile(later, false, signedBy(next, published))).toMatchObject({ findings: 1, signed: 19 });
    expect(await breaks()).toEqual([`evidence_chain_incomplete run_unfinished ${'cd'.repeat(12)}`]);
    const { rows } = await db.readonly.query<{ key: string }>(
      'SELECT signing_key_id AS key FROM chain_checkpoints ORDER BY sequence',
    );
    expect(rows.map(({ key }) => key)).toEqual([signer.keyId, next.keyId]);
  });

  it('what a key signed after its end is a break', async () => {
    await completedRun();
    const end = Date.parse('2026-02-13T15:04:59.999Z');
    const ended = signedBy(localSigner().signer, publishedKeyText(signer.publicPem, end));
    expect(await reconcile(night, true, ended)).toMatchObject({ findings: 1 });
    expect(await breaks()).toEqual([expect.stringMatching(/^evidence_hash_mismatch key_retired .*gate-envelope/)]);
  });

  it('a run that was stored long after its night is looked at in the night after it was', async () => {
    await completedRun();
    const redriven = night + 72 * hour;
    await intrude(
      `ALTER TABLE research_runs DISABLE TRIGGER ALL; UPDATE research_runs SET finished_at = '${toText(redriven - hour)}'`,
    );
    await rm(join(directory, keyOf(objects, 'gate-report')));
    expect(await reconcile(redriven, false)).toMatchObject({ runs: 1 });
    expect(await breaks()).toContain(`evidence_chain_incomplete artifact_missing ${keyOf(objects, 'gate-report')}`);
    // It is no evidence of the day on which it was stored.
    expect(await reconcile(redriven + hour, true)).toMatchObject({ runs: 1 });
    expect(await breaks()).toContain(`evidence_empty evidence_empty ${toText(redriven + hour)}`);
    expect(await reconcile(redriven + 48 * hour, false)).toMatchObject({ runs: 0 });
  });

  it('a store that cannot be read fails the run, which is taken up again', async () => {
    await completedRun();
    const away = { ...store, list: () => Promise.reject(new Error('connect ECONNREFUSED')) };
    expect(await reconcile(night, true, { store: away })).toMatchObject({ completed: false });
    const { rows } = await db.readonly
      .query(`SELECT status, sources #>> '{evidence,detail}' AS detail FROM reconciliation_runs
      WHERE scope = 'evidence'`);
    expect(rows).toEqual([{ status: 'failed', detail: 'connect ECONNREFUSED' }]);
    expect(await reconcile()).toMatchObject({ completed: true, findings: 0, signed: 18 });
  });
});
