import { ContinueUpdateRollbackCommand } from '@aws-sdk/client-cloudformation';
import { cp, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaVersion } from '@torghut/domain/contract';
import { synthesizeWith } from '../cdk.ts';
import { type Claim, ClaimFailed, eventually, require } from '../claim.ts';
import { allStacks, type Emulation, putSecret, stackName } from '../emulation.ts';
import type { Machine } from '../machine.ts';
import type { World, WorldSecret } from '../world.ts';
import { answerOf } from './trading.ts';

/** What a deployment is synthesized from, besides the packages. */
const sources = ['cdk.json', 'package.json', 'package-lock.json', 'functions', 'infra', 'layers', 'migrations'];

/** A copy of the repository that somebody works on; packages are shared. */
const copyOfTree = async (machine: Machine): Promise<string> => {
  const copy = await mkdtemp(join(machine.directory, 'tree-'));
  for (const source of sources) await cp(join(machine.root, source), join(copy, source), { recursive: true });
  await symlink(join(machine.root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
};

/** The version after the newest migration of this tree. */
const nextVersion = String(Number(schemaVersion) + 1).padStart(4, '0');

const migration = (...statements: readonly string[]): string =>
  [`-- compatible-from: ${schemaVersion}`, ...statements, ''].join('\n');

const brokenStatement = 'ALTER TABLE executions ADD COLUMN settled_by no_such_type';

interface Failure {
  readonly title: string;
  readonly migration: string;
  /** Secret with a value that does not do. */
  readonly secret?: { readonly name: WorldSecret; readonly value: (secrets: World['secrets']) => string };
  /** What the failure says. */
  readonly says: readonly RegExp[];
}

const harmless = migration("COMMENT ON TABLE executions IS 'one row per broker order'");

const failures: readonly Failure[] = [
  {
    title: 'a broken migration',
    migration: migration('CREATE TABLE emulator_probe (id integer)', ';', brokenStatement),
    says: [new RegExp(`${nextVersion}_`), /no_such_type/, /ALTER TABLE executions/],
  },
  {
    title: 'a secret without a value',
    migration: harmless,
    // What a secret holds between its creation and the operator's first value.
    secret: { name: 'databaseOwner', value: () => 'x'.repeat(32) },
    says: [/DatabaseOwnerSecret/, /JSON/],
  },
  {
    title: 'a role that may not migrate',
    migration: harmless,
    secret: {
      name: 'databaseOwner',
      value: ({ database, databaseOwner }) =>
        JSON.stringify({ ...databaseOwner, username: database.username, password: database.password }),
    },
    says: [/torghut_app/, /torghut_owner/],
  },
];

/** Assembly of this tree with one more migration. */
const synthesizeWithMigration = async (
  { machine, settings }: Pick<Emulation, 'machine' | 'settings'>,
  text: string,
): Promise<string> => {
  const tree = await copyOfTree(machine);
  await writeFile(join(tree, 'migrations/postgres', `${nextVersion}_emulator_probe.sql`), text);
  return synthesizeWith(machine, { root: tree, settings });
};

/** Assemblies of deployments that have to fail, by the text of their additional migration. */
export type FailingAssemblies = ReadonlyMap<string, Promise<string>>;

/** Begins to synthesize them, while other claims wait for schedules. */
export const failingAssemblies = (context: Pick<Emulation, 'machine' | 'settings'>): FailingAssemblies => {
  const assemblies = new Map<string, Promise<string>>();
  for (const { migration: text } of failures) {
    const assembly = assemblies.get(text) ?? synthesizeWithMigration(context, text);
    // Whoever waits for it hears of a failure.
    assembly.catch(() => undefined);
    assemblies.set(text, assembly);
  }
  return assemblies;
};

/** A deployment that has to fail, and what it leaves in place. */
export const failureClaims = (emulation: Emulation, assemblies: FailingAssemblies): readonly Claim[] => {
  const { aws, cdk, stage, world } = emulation;

  const stillServes = async (): Promise<void> => {
    const check = JSON.stringify(await answerOf(emulation, '/db-check'));
    require(check.includes(`"schema_version":"${schemaVersion}"`), `schema version ${schemaVersion}`, check);
    await answerOf(emulation, '/trading/status');
  };

  /**
   * The rollback asks the migration of the old version, which needs the same secret: it stops where the secret is still
   * wrong, with the old version in place, and goes on when the operator has put the right one.
   */
  const continueRollback = async (): Promise<void> => {
    const StackName = stackName('runtime');
    const status = async () => (await stage.stacks()).find(({ name }) => name === StackName)?.status;
    if ((await status()) === 'UPDATE_ROLLBACK_FAILED')
      await aws.cloudFormation.send(new ContinueUpdateRollbackCommand({ StackName }));
    await eventually('UPDATE_ROLLBACK_COMPLETE', 60, async () => {
      const found = await status();
      return found === 'UPDATE_ROLLBACK_COMPLETE' ? { done: found } : { found };
    });
  };

  return failures.map((failure) => ({
    title:
      `${failure.title} fails the deployment and says why, the old version still serves` +
      (failure.secret === undefined
        ? ', and everything is rolled back'
        : ', and the rollback ends once the value is right'),
    prove: async () => {
      const assembly = (await assemblies.get(failure.migration)) ?? '';
      if (failure.secret !== undefined)
        await putSecret(emulation, failure.secret.name, failure.secret.value(world.secrets));
      try {
        const deployed = await cdk.deploy(assembly, allStacks);
        require(!deployed.ok, 'the deployment to fail', deployed.output.split('\n').slice(-10).join('\n'));
        const text = deployed.output.replaceAll(/\s+/g, ' ');
        const missing = failure.says.filter((pattern) => !pattern.test(text));
        if (missing.length > 0)
          throw new ClaimFailed(
            `a reason that says ${missing.join(', ')}`,
            (await stage.failures(stackName('runtime'))).join('\n'),
          );
        await stillServes();
        return (await stage.failures(stackName('runtime'))).at(-1);
      } finally {
        if (failure.secret !== undefined)
          await putSecret(emulation, failure.secret.name, JSON.stringify(world.secrets[failure.secret.name]));
        await continueRollback();
      }
    },
  }));
};
