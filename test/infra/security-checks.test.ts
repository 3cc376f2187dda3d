import { join } from 'node:path';

import { type App, Stack, Validations } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { FAIL_SYNTH_ON_VALIDATION_ERRORS_CONTEXT } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks, type NagPack, ServerlessChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { type EnvironmentName, readSettings } from '../../infra/config.ts';
import { acknowledgements } from '../../infra/constructs/acknowledgements.ts';
import { checkedApp } from '../../infra/constructs/security-checks.ts';
import { TorghutStage } from '../../infra/torghut-stage.ts';
import { context, liveSettings, plantTree, removeTree } from './source-tree.ts';

const existingNetwork = {
  network: 'existing',
  vpcId: 'vpc-0123456789abcdef0',
  availabilityZones: 'us-east-1a,us-east-1b',
  privateSubnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
};
const account = { account: '123456789012', region: 'us-east-1' };

/** Every network with every database it can hold. */
const combinations: readonly Readonly<Record<string, string>>[] = [
  { network: 'none', database: 'external' },
  ...[{ network: 'new' }, existingNetwork].flatMap((network) =>
    ['aurora', 'rds', 'external'].map((database) => ({ ...network, database })),
  ),
];
const stageIdOf = (environment: EnvironmentName, { network, database }: Readonly<Record<string, string>>): string =>
  `torghut-${environment}-${network!}-${database!}`;

let root: string;
let app: App;
beforeAll(() => {
  root = plantTree();
  app = checkedApp({ context, outdir: join(root, 'out') });
  for (const environment of ['paper', 'live'] as const) {
    for (const combination of combinations) {
      // With the account known the library would like to look things up in it.
      const given = { ...combination, ...(environment === 'live' ? account : {}) };
      const prefixed = Object.fromEntries(
        Object.entries(given).map(([key, value]) => [`${environment}:${key}`, value]),
      );
      new TorghutStage(app, stageIdOf(environment, combination), {
        settings: readSettings(environment, { ...liveSettings, ...prefixed }, {}),
        sourceRoot: root,
      });
    }
  }
});
afterAll(() => {
  removeTree(root);
});

interface Finding {
  readonly rule: string;
  readonly path: string;
}

/** What a pack finds, acknowledged or not. */
const everyFindingOf = (pack: NagPack): readonly Finding[] => {
  Object.defineProperty(pack, 'isAcknowledged', { value: () => false });
  return pack
    .validateScope(app)
    .violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath }) => ({ rule: ruleName, path: constructPath ?? '' })),
    );
};

/** What the constructs of the app have acknowledged: the rule, where and why. */
const acknowledgedIn = (scope: IConstruct): readonly (Finding & { readonly reason: string })[] =>
  scope.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.entries(data as Readonly<Record<string, string>>))
      .map(([rule, reason]) => ({ rule: rule.replace(/^annotation::/i, ''), path: node.path, reason }))
      // What the library acknowledges about its own constructs.
      .filter(({ rule }) => !rule.startsWith('CloudFormation-Validate::')),
  );

describe('the deployment', () => {
  it('passes the security checks and the template validation with every network and database, in both environments', () => {
    expect(app.node.children.filter((child) => child instanceof TorghutStage)).toHaveLength(14);
    // Throws with the report when a finding is an error.
    const assembly = app.synth();
    const { stacksRecursively } = assembly;
    // No question is left to a lookup in an account.
    expect(assembly.manifest.missing ?? []).toEqual([]);
    const messages = stacksRecursively.flatMap((stack) =>
      stack.messages.map(({ level, entry }) => [level, entry.data]),
    );
    expect(messages).toEqual([]);
  }, 120_000);

  it('fails to synthesize when a resource of it breaks a rule, also when the CDK command would only report', () => {
    vi.stubEnv('CDK_CONTEXT_JSON', JSON.stringify({ [FAIL_SYNTH_ON_VALIDATION_ERRORS_CONTEXT]: false }));
    const broken = checkedApp({ context, outdir: join(root, 'broken'), builtinCloudFormationValidation: false });
    vi.unstubAllEnvs();
    new Bucket(new Stack(broken, 'Stack'), 'Open');
    expect(() => broken.synth()).toThrow(/AwsSolutions-S10|Validation failed/);
  });
});

describe('an acknowledgement', () => {
  it('stands for a finding that would be there without it', () => {
    const findings = [new AwsSolutionsChecks(app), new ServerlessChecks(app)].flatMap(everyFindingOf);
    const unused = acknowledgedIn(app).filter(
      ({ rule, path }) =>
        // A warning of the library, which it gives for every subnet of an existing network.
        !(rule.startsWith('@aws-cdk/') && path.includes('-existing-')) &&
        !findings.some(
          (finding) => finding.rule === rule && (finding.path === path || finding.path.startsWith(`${path}/`)),
        ),
    );
    expect(unused.map(({ rule, path }) => `${rule} at ${path}`)).toEqual([]);
  });

  it('is made for one resource of a kind and never for a stack', () => {
    for (const { path } of acknowledgedIn(app)) expect(path.split('/').length).toBeGreaterThan(2);
  });

  it('is one of the table, and each of the table is made', () => {
    const made = new Set(acknowledgedIn(app).map(({ rule, reason }) => `${rule} ${reason}`));
    const listed = Object.values(acknowledgements).flatMap(({ rules, reason }) =>
      rules.map((rule) => `${rule} ${reason}`),
    );
    expect(made).toEqual(new Set(listed));
  });

  it.each(Object.entries(acknowledgements))('gives a reviewer a reason: %s', (_name, { reason }) => {
    expect(reason.split(/\s+/).length).toBeGreaterThan(15);
    expect(reason).toMatch(/\.$/);
  });
});
