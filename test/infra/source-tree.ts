import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { functionNames } from '@torghut/domain';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import { type EnvironmentName, readSettings } from '../../infra/config.ts';
import { TorghutStage } from '../../infra/torghut-stage.ts';

/** Files by path of the smallest tree that can be deployed: two layers, and functions that import them. */
export const smallestTree: Readonly<Record<string, string>> = {
  'layers/domain/package.json': '{"exports":{".":"./src/index.ts"}}',
  'layers/domain/src/index.ts': 'export const answer = 42;\n',
  'layers/platform/package.json': '{"exports":{".":"./src/index.ts"}}',
  'layers/platform/src/index.ts': `export { answer as relayed } from '@torghut/domain';\n`,
  ...Object.fromEntries(
    functionNames.map((name) => [
      `functions/${name}/handler.ts`,
      `import { relayed } from '@torghut/platform';\nexport const handler = () => ['${name}', relayed];\n`,
    ]),
  ),
  'migrations/postgres/0001_first.sql': 'SELECT 1;\n',
  'infra/strategies.yaml': 'strategies: []\n',
  // Where a bundle that inlines the layers finds them.
  'node_modules/@torghut/domain/index.js': 'export const answer = 42;\n',
  'node_modules/@torghut/platform/index.js': `export { answer as relayed } from '@torghut/domain';\n`,
};

/** A directory with these files; remove it with `removeTree`. */
export const plantTree = (files: Readonly<Record<string, string>> = smallestTree): string => {
  const root = mkdtempSync(join(tmpdir(), 'torghut-tree-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
};

export const removeTree = (root: string): void => {
  rmSync(root, { recursive: true, force: true });
};

export const { context } = JSON.parse(readFileSync(join(import.meta.dirname, '../../cdk.json'), 'utf8')) as {
  context: Record<string, unknown>;
};

/** Settings that the environment live has no default for. */
export const liveSettings: Readonly<Record<string, unknown>> = {
  'live:liveEnabled': 'true',
  'live:clickhouseUrl': 'https://clickhouse.example.com',
  'live:jangarSymbolsUrl': 'https://jangar.example.com/symbols',
  'live:leanRunnerUrl': 'https://lean.example.com',
  'live:pagerUrl': 'https://pager.example.com/events',
  'live:ticketEmail': 'torghut@example.com',
};

/** Settings of an environment without a network or a database of its own, as the one-machine deployment has them. */
export const oneMachine: Readonly<Record<string, unknown>> = { 'paper:network': 'none', 'paper:database': 'external' };

export interface SynthesizedStage {
  readonly assembly: string;
  readonly stage: TorghutStage;
  /** Absent without a network of ours. */
  readonly network: Template | undefined;
  readonly state: Template;
  readonly runtime: Template;
  readonly promotion: Template;
  readonly operator: Template;
}

/** Synthesizes one environment of a tree, with the repository's feature flags. */
export const synthesizeStage = (
  root: string,
  environment: EnvironmentName = 'paper',
  settings: Readonly<Record<string, unknown>> = {},
  output = 'out',
): SynthesizedStage => {
  // Findings of the template validation are for `npm run synth` to report; here it would only cost time.
  const app = new App({ context, outdir: join(root, output), builtinCloudFormationValidation: false });
  const stage = new TorghutStage(app, `torghut-${environment}`, {
    settings: readSettings(environment, settings, {}),
    sourceRoot: root,
  });
  const templates = {
    stage,
    network: stage.network === undefined ? undefined : Template.fromStack(stage.network),
    promotion: Template.fromStack(stage.promotion),
    state: Template.fromStack(stage.state),
    runtime: Template.fromStack(stage.runtime),
    operator: Template.fromStack(stage.operator),
  };
  return { assembly: app.synth().directory, ...templates };
};
