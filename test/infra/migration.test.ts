import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { functionNames, parseSettings, queues, schedules } from '@torghut/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { functionLogicalId, migrationLogicalId } from '../../infra/constructs/logical-id.ts';
import { readLedgerFiles } from '../../infra/constructs/migration.ts';
import { plantTree, removeTree, synthesizeStage } from './source-tree.ts';

interface Resource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly DependsOn?: readonly string[];
}

type Resources = Readonly<Record<string, Resource>>;

let root: string;
let resources: Resources;

const synthesized = (settings: Readonly<Record<string, unknown>>, output: string): Resources =>
  (synthesizeStage(root, 'paper', settings, output).runtime.toJSON() as { readonly Resources: Resources }).Resources;

const releaseIn = (found: Resources): Readonly<Record<string, unknown>> => {
  const { ServiceToken: _token, ServiceTimeout: _timeout, ...release } = found[migrationLogicalId]!.Properties!;
  return release;
};

beforeAll(() => {
  root = plantTree();
  resources = synthesized({}, 'out');
});
afterAll(() => {
  removeTree(root);
});

/** Resources that one waits for, directly: by declaration or by reference. */
const waitsFor = (logicalId: string): readonly string[] => {
  const { DependsOn = [], Properties = {} } = resources[logicalId]!;
  const references = [...JSON.stringify(Properties).matchAll(/"(?:Ref|Fn::GetAtt)":\[?"([A-Za-z0-9]+)"/g)];
  return [...DependsOn, ...references.map(([, id]) => id!)].filter((id) => id in resources);
};

const waitsAtLeastFor = (logicalId: string): ReadonlySet<string> => {
  const found = new Set<string>();
  const open = [...waitsFor(logicalId)];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    open.push(...waitsFor(id));
  }
  return found;
};

describe('the migration in a deployment', () => {
  it('is a custom resource that invokes its function and cannot hold the deployment up for an hour', () => {
    expect(resources[migrationLogicalId]).toMatchObject({
      Type: 'Custom::LedgerMigration',
      Properties: { ServiceToken: { 'Fn::GetAtt': [functionLogicalId('migrate'), 'Arn'] }, ServiceTimeout: '360' },
    });
  });

  it.each(functionNames.filter((name) => name !== 'migrate'))('comes before the new code of %s', (name) => {
    expect(waitsAtLeastFor(functionLogicalId(name))).toContain(migrationLogicalId);
  });

  it('comes before everything that invokes a function', () => {
    const invoking = Object.entries(resources).filter(([, { Type }]) =>
      ['AWS::Lambda::EventSourceMapping', 'AWS::Scheduler::Schedule'].includes(Type),
    );
    expect(invoking).toHaveLength(Object.keys(queues).length + Object.keys(schedules).length);
    for (const [logicalId] of invoking) expect(waitsAtLeastFor(logicalId), logicalId).toContain(migrationLogicalId);
  });

  it('comes after its function may do what it has to', () => {
    const before = [...waitsAtLeastFor(migrationLogicalId)].map((id) => resources[id]!.Type);
    expect(before).toEqual(
      expect.arrayContaining(['AWS::Lambda::Function', 'AWS::IAM::Policy', 'AWS::Logs::LogGroup']),
    );
    expect([...waitsAtLeastFor(functionLogicalId('migrate'))]).not.toContain(migrationLogicalId);
  });

  it('waits for nothing that waits for it', () => {
    for (const logicalId of Object.keys(resources)) expect(waitsAtLeastFor(logicalId)).not.toContain(logicalId);
  });

  const imported = (logicalId: string) => ({ 'Fn::ImportValue': expect.stringContaining(logicalId) as string });

  it('runs again exactly when its files, the code, the account, the settings of the functions or the database change', () => {
    expect(releaseIn(resources)).toEqual({
      Files: readLedgerFiles(root).digest,
      Code: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      Account: 'paper',
      TradingMode: 'paper',
      Environment: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      Database: imported('DatabaseClusterDBClusterResourceId'),
      DatabaseOwner: imported('DatabaseOwnerSecretAttachment'),
    });
  });

  it('runs against every database it is pointed at', () => {
    const secret = (name: string) => `arn:aws:secretsmanager:us-east-1:123456789012:secret:${name}-AbC123`;
    const external = { 'paper:database': 'external' };
    const named = { 'paper:databaseSecretArn': secret('ledger'), 'paper:databaseOwnerSecretArn': secret('owner') };
    const databases = [
      {},
      { 'paper:database': 'rds' },
      external,
      { ...external, ...named },
      { ...external, ...named, 'paper:databaseSecretArn': secret('other') },
      { ...external, ...named, 'paper:databaseOwnerSecretArn': secret('another') },
    ].map((settings, index) => {
      const { Database, DatabaseOwner } = releaseIn(synthesized(settings, `database-${index}`));
      return JSON.stringify([Database, DatabaseOwner]);
    });
    expect(new Set(databases).size).toBe(databases.length);
    expect(databases[3]).toBe(JSON.stringify([secret('ledger'), secret('owner')]));
  });

  it('runs with an override that the functions would refuse, and refuses it first', () => {
    const overridden = synthesized({ 'paper:TRADING_MAX_POSITONS': '7' }, 'unknown');
    expect(releaseIn(overridden)['Environment']).not.toBe(releaseIn(resources)['Environment']);
    const { Variables } = overridden[functionLogicalId('migrate')]!.Properties!['Environment'] as {
      Variables: Readonly<Record<string, string>>;
    };
    expect(() => parseSettings(Variables)).toThrow('TRADING_MAX_POSITONS: unknown setting');
    expect(releaseIn(synthesized({}, 'again'))).toEqual(releaseIn(resources));
  });

  it('runs again for a setting that only the functions read', () => {
    const moved = synthesized({ 'paper:clickhouseUrl': 'https://clickhouse.example.com' }, 'moved');
    expect(releaseIn(moved)['Environment']).not.toBe(releaseIn(resources)['Environment']);
  });
});

describe('the files of the ledger', () => {
  it('are the migrations and the catalog, and their digest tells names and contents apart', () => {
    const tree = plantTree();
    try {
      const migration = (name: string): string => join(tree, 'migrations/postgres', name);
      const digests = [readLedgerFiles(tree)];
      expect(Object.keys(digests[0]!.files)).toEqual(['migrations/0001_first.sql', 'strategies.yaml']);
      const after = (change: () => void): void => {
        change();
        digests.push(readLedgerFiles(tree));
      };
      after(() => {
        writeFileSync(migration('0002_next.sql'), 'SELECT 2;\n');
      });
      after(() => {
        writeFileSync(migration('0002_next.sql'), 'SELECT 3;\n');
      });
      after(() => {
        rmSync(migration('0002_next.sql'));
        writeFileSync(migration('0002_other.sql'), 'SELECT 3;\n');
      });
      after(() => {
        writeFileSync(join(tree, 'infra/strategies.yaml'), 'strategies: [] # none\n');
      });
      expect(new Set(digests.map(({ digest }) => digest)).size).toBe(digests.length);
      expect(readLedgerFiles(tree)).toEqual(digests.at(-1));
    } finally {
      removeTree(tree);
    }
  });

  it.each(['migrations', 'infra/strategies.yaml'])('must be there: %s', (path) => {
    const tree = plantTree();
    try {
      rmSync(join(tree, path), { recursive: true });
      expect(() => readLedgerFiles(tree)).toThrow(/migrations: expected \S+, found nothing there/);
    } finally {
      removeTree(tree);
    }
  });
});
