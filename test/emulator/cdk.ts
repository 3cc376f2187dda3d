import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { type AwsEndpoint, awsVariables } from './aws.ts';
import type { Machine } from './machine.ts';

export interface Deployed {
  readonly ok: boolean;
  /** What the CDK wrote: progress, events, reasons of failures. */
  readonly output: string;
  readonly seconds: number;
  /** Seconds that CloudFormation took for each stack that was deployed, by stack name. */
  readonly stacks: Readonly<Record<string, number>>;
  /** Names of the stacks that were found to be as they should. */
  readonly unchanged: readonly string[];
}

/** The CDK's command line against one endpoint. */
export interface Cdk {
  /** The account's bucket and roles for deployments. */
  bootstrap(): Promise<Deployed>;
  /** Stacks by their construct path, `torghut-paper/*` all of them. Whatever they need is deployed too. */
  deploy(assembly: string, stacks: string): Promise<Deployed>;
  destroy(assembly: string, stacks: string): Promise<Deployed>;
}

export interface SynthesisOptions {
  /** Tree that is deployed. */
  readonly root: string;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Renders the templates of a tree with these settings and no others. @returns the directory of the cloud assembly
 * @throws Error with what the synthesis wrote
 */
export const synthesizeWith = async (machine: Machine, { root, settings }: SynthesisOptions): Promise<string> => {
  const assembly = await mkdtemp(join(machine.directory, 'assembly-'));
  const { code, output } = await machine.commands.run({
    program: process.execPath,
    words: ['--disable-warning=ExperimentalWarning', 'infra/app.ts'],
    environment: { PATH: process.env['PATH'] ?? '', HOME: machine.directory, CDK_OUTDIR: assembly, ...settings },
    directory: root,
    limitSeconds: 180,
  });
  if (code !== 0) throw new Error(`synthesizing ${root} failed (exit code ${code}):\n${output.trim()}`);
  return assembly;
};

const stackTimes = (output: string): Record<string, number> =>
  Object.fromEntries(
    [...output.matchAll(/✅ {2}\S+ \((\S+)\)\n\n✨ {2}Deployment time: ([\d.]+)s/g)].map(([, name = '', seconds]) => [
      name,
      Number(seconds),
    ]),
  );

const unchangedStacks = (output: string): string[] =>
  [...output.matchAll(/✅ {2}\S+ \((\S+)\) \(no changes\)/g)].map(([, name = '']) => name);

export const cdkOf = (machine: Machine, endpoint: AwsEndpoint): Cdk => {
  const run = async (words: readonly string[]): Promise<Deployed> => {
    const startedAt = performance.now();
    const { code, output } = await machine.commands.run({
      program: process.execPath,
      words: [join(machine.root, 'node_modules/aws-cdk/bin/cdk'), ...words],
      environment: {
        ...awsVariables(endpoint),
        PATH: process.env['PATH'] ?? '',
        HOME: machine.directory,
        CI: 'true',
        CDK_DISABLE_CLI_TELEMETRY: 'true',
      },
      // Not the repository: its cdk.json would make the CDK synthesize once more.
      directory: machine.directory,
      // Longer than CloudFormation waits for a migration that does not answer.
      limitSeconds: 420,
    });
    return {
      ok: code === 0,
      output,
      seconds: (performance.now() - startedAt) / 1_000,
      stacks: stackTimes(output),
      unchanged: unchangedStacks(output),
    };
  };
  const quiet = ['--no-notices', '--no-color'];
  return {
    bootstrap: () => run(['bootstrap', `aws://${endpoint.account}/${endpoint.region}`, ...quiet]),
    deploy: (assembly, stacks) =>
      run(['deploy', '--app', assembly, '--require-approval', 'never', '--progress', 'events', ...quiet, stacks]),
    destroy: (assembly, stacks) => run(['destroy', '--app', assembly, '--force', ...quiet, stacks]),
  };
};
