import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { evidenceKeys } from '@torghut/domain';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { ObjectLockMode } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { afterEach, describe, expect, it } from 'vitest';

import { bundle, writeBundle } from '../../infra/constructs/bundle.ts';
import { functionBundle } from '../../infra/constructs/function-bundle.ts';
import { EvidenceBucket } from '../../infra/constructs/evidence-bucket.ts';
import { SigningKey } from '../../infra/constructs/signing-key.ts';
import { SourceLayer } from '../../infra/constructs/source-layer.ts';
import { TorghutFunction } from '../../infra/constructs/torghut-function.ts';
import { ExecutionQueue } from '../../infra/constructs/work-queue.ts';
import { context, plantTree, removeTree, smallestTree, synthesizeStage } from './source-tree.ts';

const planted: string[] = [];
const plant = (files = smallestTree): string => {
  const root = plantTree(files);
  planted.push(root);
  return root;
};
afterEach(() => {
  planted.splice(0).forEach(removeTree);
});

const stackIn = (root: string, output = 'out'): Stack =>
  new Stack(new App({ context, outdir: join(root, output), builtinCloudFormationValidation: false }), 'Stack');
const domainHash = (root: string, output?: string): string =>
  new SourceLayer(stackIn(root, output), 'Domain', { sourceRoot: root, name: 'domain' }).codeHash;

/** Contents of every bundle in an assembly. */
const bundlesIn = (assembly: string): readonly string[] =>
  readdirSync(assembly, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.mjs'))
    .map((path) => readFileSync(join(assembly, path), 'utf8'));

const routerIn = (stack: Stack, sourceRoot: string): TorghutFunction =>
  new TorghutFunction(stack, 'Router', {
    sourceRoot,
    name: 'lean-router',
    timeout: Duration.seconds(25),
    memoryMegabytes: 512,
    reservedConcurrency: 1,
    invocationDeadLetter: new Queue(stack, 'DeadLetter'),
    environment: {},
    layers: [],
    logRetention: RetentionDays.ONE_MONTH,
  });

describe('SourceLayer', () => {
  it('gives the same sources the same code hash, wherever they lie and wherever the assembly goes', () => {
    // Two subpaths that share code, so that a file is named by the bundler.
    const tree = {
      ...smallestTree,
      'layers/domain/package.json': '{"exports":{".":"./src/index.ts","./contract":"./src/contract.ts"}}',
      'layers/domain/src/contract.ts': `export const names = ['lean-router'];\n`,
      'layers/domain/src/index.ts': `export * from './contract.ts';\nexport const answer = 42;\n`,
    };
    const root = plant(tree);
    const hashes = [domainHash(root, 'out'), domainHash(root, 'a/deeper/place'), domainHash(plant(tree))];
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(hashes).size).toBe(1);
  });

  it('changes the code hash with the code', () => {
    const root = plant();
    const before = domainHash(root, 'before');
    writeFileSync(join(root, 'layers/domain/src/index.ts'), 'export const answer = 43;\n');
    expect(domainHash(root, 'after')).not.toBe(before);
  });

  it('lays the package where Node looks for it', () => {
    const root = plant();
    const { assembly } = synthesizeStage(root);
    const packages = readdirSync(assembly, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('package.json'),
    );
    expect(packages.map((path) => path.replace(/^asset\.[0-9a-f]+/, '')).toSorted()).toEqual([
      '/nodejs/node_modules/@torghut/domain/package.json',
      '/nodejs/node_modules/@torghut/platform/package.json',
    ]);
    const manifests = packages.map((path) => JSON.parse(readFileSync(join(assembly, path), 'utf8')) as unknown);
    expect(manifests).toContainEqual({ name: '@torghut/domain', type: 'module', exports: { '.': './index.mjs' } });
    expect(manifests).toContainEqual({ name: '@torghut/platform', type: 'module', exports: { '.': './index.mjs' } });
  });
});

describe('TorghutFunction', () => {
  it('leaves the layers out of the bundle, and takes them in when they are inlined', () => {
    const root = plant();
    const layered = bundlesIn(synthesizeStage(root).assembly).filter((bundle) => bundle.includes('lean-router'));
    expect(layered).toEqual([expect.stringContaining('from"@torghut/platform"')]);

    const inlined = synthesizeStage(root, 'paper', { 'paper:inlineLayers': 'true' }, 'inlined');
    const [bundle] = bundlesIn(inlined.assembly).filter((text) => text.includes('lean-router'));
    expect(bundle).toContain('42');
    expect(bundle).not.toContain('"@torghut/');
    inlined.runtime.resourceCountIs('AWS::Lambda::LayerVersion', 0);
  });

  it.each([true, false])(
    'has loaded all of its handler before the first invocation, inlined %s',
    async (inlineLayers) => {
      const root = plant({
        ...smallestTree,
        'node_modules/@torghut/platform/package.json': '{"type":"module","exports":"./index.js"}',
        'node_modules/@torghut/platform/index.js': `globalThis.loaded = ['platform'];\nexport const relayed = 42;\n`,
        'functions/lean-router/handler.ts':
          `import { relayed } from '@torghut/platform';\n` +
          `globalThis.loaded.push('handler', relayed);\n` +
          `export const handler = (event, context) => [event, context];\n`,
      });
      writeBundle(bundle(functionBundle({ sourceRoot: root, name: 'lean-router', inlineLayers })), join(root, 'task'));
      const { handler } = (await import(join(root, 'task/index.mjs'))) as {
        handler: (event: string, context: string) => unknown;
      };
      expect((globalThis as { loaded?: unknown }).loaded).toEqual(['platform', 'handler', 42]);
      delete (globalThis as { loaded?: unknown }).loaded;
      expect(handler('event', 'context')).toEqual(['event', 'context']);
      expect((globalThis as { loaded?: unknown }).loaded).toBeUndefined();
    },
  );

  it('names the entry that is missing', () => {
    const { 'functions/order-sync/handler.ts': _left, ...rest } = smallestTree;
    const root = plant(rest);
    expect(() => synthesizeStage(root)).toThrow(
      `function order-sync: expected its entry at ${join(root, 'functions/order-sync/handler.ts')}, found no file`,
    );
  });

  it('fails with the place of an error in the source', () => {
    const root = plant({ ...smallestTree, 'functions/order-sync/handler.ts': `import './nowhere.ts';` });
    expect(() => synthesizeStage(root)).toThrow(/order-sync\/handler\.ts:1:7.*nowhere/);
  });

  it('signs with a key and adds evidence, and may neither read nor replace any', () => {
    const root = plant();
    const stack = stackIn(root);
    const evidence = new EvidenceBucket(stack, 'Evidence', {
      lockMode: ObjectLockMode.GOVERNANCE,
      retentionDays: 1,
      accessLogDays: 1,
    });
    routerIn(stack, root).signsWith(new SigningKey(stack, 'Key')).writesTo(evidence);
    const template = Template.fromStack(stack);
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: Match.objectLike({
        Statement: Match.arrayWith([
          { Effect: 'Allow', Action: 'kms:Sign', Resource: { 'Fn::GetAtt': ['EvidenceSigningKey', 'Arn'] } },
          {
            Effect: 'Allow',
            Action: 's3:PutObject',
            Resource: { 'Fn::Join': ['', [{ 'Fn::GetAtt': ['EvidenceBucket', 'Arn'] }, '/evidence/*']] },
          },
        ]),
      }),
    });
    expect(JSON.stringify(template.findResources('AWS::IAM::Policy'))).not.toMatch(/s3:(?:Get|Delete|List)/);
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: Match.objectLike({
          [evidenceKeys.bucket]: { Ref: 'EvidenceBucket' },
          [evidenceKeys.signingKey]: { 'Fn::GetAtt': ['EvidenceSigningKey', 'Arn'] },
        }),
      },
    });
  });

  it('refuses a queue that would deliver a message again while it is still being worked on', () => {
    const root = plant();
    const stack = stackIn(root);
    const queue = new ExecutionQueue(stack, 'Queue', {
      logicalId: 'Orders',
      environmentKey: 'ORDERS_URL',
      consumerTimeout: Duration.seconds(20),
      receiveCount: 3,
    });
    expect(() => routerIn(stack, root).consumes(queue, { batchSize: 10, maximumConcurrency: 2 })).toThrow(
      'Stack/Queue: expected a visibility timeout of at least 150 s for Stack/Router, found 120 s',
    );
  });
});
