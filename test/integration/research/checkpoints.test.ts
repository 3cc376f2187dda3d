import { rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { parseInstant, sha256 } from '@torghut/domain';
import {
  checkpointPrefix,
  checkpointStatement,
  entryHashOf,
  readVerificationKey,
  sealStatement,
  signCheckpoint,
  verifyLedgerChain,
  type EvidenceStore,
} from '@torghut/domain/evidence';
import { fileEvidenceStore, postgresResearchChain, type Queryable } from '@torghut/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localSigner } from '../../domain/evidence/fixtures.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { readChain } from '../../support/research.ts';
import { insertRow, insertSampleRows, sampleIds, sampleRow } from '../../support/rows.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const now = parseInstant('2026-11-20T16:00:00.000Z');
const { signer, publicPem } = localSigner();
const other = localSigner();
const trusted = [readVerificationKey(publicPem)];

let db: TestDatabase;
let directory: string;
let store: EvidenceStore;
beforeEach(async () => {
  [db, directory] = await Promise.all([testDatabase(), temporaryDirectory('checkpoints')]);
  store = fileEvidenceStore(directory);
  await insertSampleRows(db.app, 'research_promotions');
});
afterEach(async () => {
  await Promise.all([db.close(), rm(directory, { recursive: true, force: true })]);
});

const sign = (over: Partial<Parameters<typeof signCheckpoint>[0]> = {}) =>
  signCheckpoint({ chain: postgresResearchChain(db.app), store, signer, trusted, ...over }, now);
const verify = (keys = trusted) => verifyLedgerChain(postgresResearchChain(db.app), store, { trusted: keys, now });
const codes = async (keys = trusted): Promise<readonly string[]> =>
  (await verify(keys)).findings.map(({ code, place }) => `${code} ${place}`);

/** Somebody who owns the server: no trigger, no constraint and no grant is in the way. */
const intrude = async (work: (client: Queryable) => Promise<unknown>): Promise<void> => {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: db.url('postgres') });
  await client.connect();
  try {
    await client.query('SET session_replication_role = replica');
    await work(client);
  } finally {
    await client.end();
  }
};

/** Writes the chain anew from an entry on, as whoever changed that entry would. */
const relink = async (client: Queryable): Promise<void> => {
  let previousHash = '0'.repeat(64);
  for (const [index, { table, rowKey, rowText }] of (await readChain(client)).entries()) {
    const sequence = index + 1;
    const rowHash = createHash('sha256').update(rowText).digest('hex');
    const entryHash = entryHashOf({ sequence, previousHash, table, rowKey, rowHash });
    await client.query(
      'UPDATE research_chain SET previous_hash = $2, row_hash = $3, entry_hash = $4 WHERE sequence = $1',
      [sequence, previousHash, rowHash, entryHash],
    );
    previousHash = entryHash;
  }
};

const fold = (name: string) =>
  insertRow(db.app, 'research_fold_metrics', sampleRow('research_fold_metrics', { fold_name: name }));

describe('[A3] signed checkpoints over the research ledger', () => {
  it('are stored outside of the database and in it, once for what was written since the last', async () => {
    expect(await sign()).toMatchObject({ ok: true, signed: { sequence: 7 }, adopted: 0 });
    expect(await sign()).toEqual({ ok: true, signed: null, adopted: 0 });
    expect(await verify()).toMatchObject({ findings: [], entries: 7, checkpoints: 1, unsigned: 0, rowsCompared: true });
    await fold('fold-2');
    expect(await verify()).toMatchObject({ findings: [], entries: 8, unsigned: 1 });
    expect(await sign()).toMatchObject({ ok: true, signed: { sequence: 8 } });
    expect(await store.list(checkpointPrefix)).toHaveLength(2);
  });

  it('an unsigned chain and an empty one show nothing', async () => {
    expect(await codes()).toEqual(['chain_unsigned chain']);
    await intrude((client) => client.query('DELETE FROM research_chain'));
    expect(await codes()).toContain('chain_empty chain');
  });

  it('by another key are not trusted', async () => {
    await sign();
    const [code] = await codes([readVerificationKey(other.publicPem)]);
    expect(code).toBe('wrong_key checkpoint 7');
  });

  const row = sampleIds.gate;
  const cases: readonly (readonly [string, (client: Queryable) => Promise<unknown>, string])[] = [
    [
      'an altered row',
      (client) => client.query(`UPDATE gate_evaluations SET verdict = 'FAIL', policy_version = '2'`),
      `row_altered gate_evaluations ${row}`,
    ],
    ['a removed row', (client) => client.query('DELETE FROM gate_evaluations'), `row_missing gate_evaluations ${row}`],
    [
      'a row that no entry knows',
      (client) =>
        insertRow(
          client,
          'research_fold_metrics',
          sampleRow('research_fold_metrics', { id: '00000000-0000-4000-8000-0000000000ff', fold_name: 'forged' }),
        ),
      'row_unchained research_fold_metrics 00000000-0000-4000-8000-0000000000ff',
    ],
    [
      'an altered entry',
      (client) => client.query(`UPDATE research_chain SET row_text = row_text || ' ' WHERE sequence = 3`),
      'chain_row_altered entry 3',
    ],
    [
      'an altered link',
      (client) => client.query(`UPDATE research_chain SET previous_hash = repeat('0', 64) WHERE sequence = 4`),
      'chain_link_broken entry 4',
    ],
    [
      'an altered table name',
      (client) => client.query(`UPDATE research_chain SET table_name = 'research_runs' WHERE sequence = 5`),
      'chain_entry_altered entry 5',
    ],
    [
      'a removed entry',
      (client) => client.query('DELETE FROM research_chain WHERE sequence = 4'),
      'chain_sequence_broken entry 5',
    ],
    [
      'two entries in another order',
      async (client) => {
        for (const [from, to] of [
          [3, 100],
          [4, 3],
          [100, 4],
        ])
          await client.query('UPDATE research_chain SET sequence = $2 WHERE sequence = $1', [from, to]);
      },
      'chain_link_broken entry 3',
    ],
    [
      'a chain cut at its end with its rows',
      async (client) => {
        await client.query('DELETE FROM research_chain WHERE sequence = 7');
        await client.query('DELETE FROM research_promotions');
      },
      'chain_shorter_than_checkpoint entry 6',
    ],
    [
      'a chain cut at its end with its rows and its checkpoint',
      async (client) => {
        await client.query('DELETE FROM research_chain WHERE sequence = 7');
        await client.query('DELETE FROM research_promotions');
        await client.query('DELETE FROM chain_checkpoints');
      },
      'chain_shorter_than_checkpoint entry 6',
    ],
    [
      'a row rewritten with the whole chain after it',
      async (client) => {
        await client.query(`UPDATE gate_evaluations SET verdict = 'FAIL'`);
        await client.query(
          `UPDATE research_chain SET row_text = (SELECT to_jsonb(t)::text FROM gate_evaluations t)
           WHERE table_name = 'gate_evaluations'`,
        );
        await relink(client);
      },
      'chain_checkpoint_missed entry 7',
    ],
    [
      'an altered signature',
      (client) => client.query(`UPDATE chain_checkpoints SET envelope = replace(envelope, '"sig":"ME', '"sig":"MF')`),
      'signature_invalid checkpoint 7',
    ],
    [
      'another place beside the signature',
      (client) => client.query('UPDATE chain_checkpoints SET sequence = 6'),
      'checkpoint_row_altered checkpoint 6',
    ],
    [
      'another key beside the signature',
      (client) => client.query(`UPDATE chain_checkpoints SET signing_key_id = 'sha256:00'`),
      'checkpoint_row_altered checkpoint 7',
    ],
    ['a removed checkpoint', (client) => client.query('DELETE FROM chain_checkpoints'), 'checkpoint_row_missing'],
  ];
  it.each(cases)('%s is found, and where', async (_name, tamper, expected) => {
    await sign();
    expect(await codes()).toEqual([]);
    await intrude(tamper);
    expect(
      (await codes()).some((code) => code.includes(expected)),
      (await codes()).join('; '),
    ).toBe(true);
  });

  it('a row names the columns that differ', async () => {
    await sign();
    await intrude((client) => client.query(`UPDATE gate_evaluations SET verdict = 'FAIL', policy_version = '2'`));
    expect((await verify()).findings.map(({ detail }) => detail)).toEqual([
      'expected what entry 6 says, found other values of policy_version, verdict',
    ]);
  });

  it('an altered or removed object of a checkpoint is found beside a whole ledger', async () => {
    await sign();
    const [key = ''] = await store.list(checkpointPrefix);
    await rm(`${directory}/${key}`);
    expect(await codes()).toEqual([`checkpoint_object_missing ${key}`]);
    await store.put(key, Buffer.from('{}'));
    expect(await codes()).toEqual([`checkpoint_object_altered ${key}`]);
  });

  it('a column that a later release adds alters no row', async () => {
    await sign();
    await intrude((client) => client.query(`ALTER TABLE gate_evaluations ADD COLUMN reviewed text DEFAULT 'no'`));
    expect(await codes()).toEqual([]);
  });

  it('nothing is signed over a chain that does not follow its last checkpoint', async () => {
    await sign();
    await fold('fold-2');
    await intrude(async (client) => {
      await client.query(`UPDATE research_chain SET row_text = row_text || ' ' WHERE sequence = 3`);
      await relink(client);
    });
    expect(await sign()).toMatchObject({ ok: false, finding: { code: 'chain_link_broken', place: 'entry 8' } });
    expect(await store.list(checkpointPrefix)).toHaveLength(1);
  });

  it('what was stored and never reached the ledger is taken over, and a chain shorter than it is not signed', async () => {
    const lost = { ...postgresResearchChain(db.app), appendCheckpoint: () => Promise.reject(new Error('gone')) };
    await expect(sign({ chain: lost })).rejects.toThrow('gone');
    expect(await codes()).toEqual([expect.stringMatching(/^checkpoint_row_missing/)]);
    expect(await sign()).toEqual({ ok: true, signed: null, adopted: 1 });
    expect(await codes()).toEqual([]);
    await intrude(async (client) => {
      await client.query('DELETE FROM research_chain WHERE sequence = 7');
      await client.query('DELETE FROM chain_checkpoints');
    });
    expect(await sign()).toMatchObject({ ok: false, finding: { code: 'chain_shorter_than_checkpoint' } });
  });

  it('a checkpoint in the store by a foreign key stops the signer', async () => {
    await sign();
    const statement = checkpointStatement({ sequence: 9, entry_hash: 'a'.repeat(64) }, now);
    const envelope = await sealStatement(statement, other.signer);
    await store.put(`${checkpointPrefix}000000000009-${sha256(envelope)}.json`, Buffer.from(envelope));
    expect(await sign()).toMatchObject({ ok: false, finding: { code: 'wrong_key' } });
  });
});
