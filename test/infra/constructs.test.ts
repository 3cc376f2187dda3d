import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { evidenceKeys, type FunctionName, functionNames } from '@torghut/domain';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { ObjectLockMode } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { afterEach, describe, expect, it } from 'vitest';

import { writeBundle } from '../../infra/constructs/bundle.ts';
import { functionBundle } from '../../infra/constructs/function-bundle.ts';
import { layerCode } from '../../infra/constructs/layer-code.ts';
import { EvidenceBucket } from '../../infra/constructs/evidence-bucket.ts';
import { SigningKey } from '../../infra/constructs/signing-key.ts';
import { SourceLayer } from '../../infra/constructs/source-layer.ts';
import { TorghutFunction } from '../../infra/constructs/torghut-function.ts';
import { ExecutionQueue } from '../../infra/constructs/work-queue.ts';
import { filesToLoad, loadableCode } from '../bench/cold-start/loaded-code.ts';
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
  new SourceLayer(stackIn(root, output), 'Domain', { sourceRoot: root, name: 'domain', code: () => layerCode(root) })
    .codeHash;

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

  it('keeps the code hash while only the platform changes', () => {
    const root = plant();
    const before = domainHash(root, 'before');
    const index = join(root, 'layers/platform/src/index.ts');
    writeFileSync(index, `${readFileSync(index, 'utf8')}export const further = 'platform';\n`);
    expect(domainHash(root, 'after')).toBe(before);
  });

  it('covers by the code hash what no function reaches', () => {
    const root = plant();
    const before = domainHash(root, 'before');
    const index = join(root, 'layers/domain/src/index.ts');
    writeFileSync(index, `${readFileSync(index, 'utf8')}export const unreached = 1;\n`);
    expect(domainHash(root, 'after')).not.toBe(before);
  });

  it('lays the package where Node looks for it, with a module for each function', () => {
    const root = plant();
    const { assembly } = synthesizeStage(root);
    const packages = readdirSync(assembly, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('package.json'),
    );
    expect(packages.map((path) => path.replace(/^asset\.[0-9a-f]+/, ''))).toEqual([
      '/nodejs/node_modules/@torghut/layers/package.json',
    ]);
    expect(JSON.parse(readFileSync(join(assembly, packages[0]!), 'utf8'))).toEqual({
      name: '@torghut/layers',
      type: 'module',
      exports: Object.fromEntries(functionNames.map((name) => [`./${name}`, `./${name}.mjs`])),
    });
  });

  it('gives a function what it imports of the layers and what that needs, and nothing else but what is small and common', () => {
    const handlerOf = (...names: readonly string[]): string =>
      `import { ${names.join(', ')} } from '@torghut/platform';\nexport const handler = () => [${names.join(', ')}];\n`;
    const root = plant({
      ...smallestTree,
      'layers/domain/package.json': '{"sideEffects":false,"exports":{".":"./src/index.ts"}}',
      'layers/domain/src/index.ts': `export * from './asked.ts';\nexport * from './other.ts';\n`,
      'layers/domain/src/asked.ts': `export const asked = (text: string) => text.padStart(41);\n`,
      'layers/domain/src/other.ts': `export const other = (text: string) => text.padStart(43);\n`,
      'layers/platform/package.json': '{"sideEffects":false,"exports":{".":"./src/index.ts"}}',
      'layers/platform/src/index.ts': ['relayed', 'through', 'rare', 'common']
        .map((name) => `export * from './${name}.ts';\n`)
        .join(''),
      'layers/platform/src/relayed.ts': `export const relayed = '${'large'.repeat(1_000)}';\n`,
      'layers/platform/src/through.ts': `import { asked } from '@torghut/domain';\nexport const through = () => asked('platform');\n`,
      'layers/platform/src/rare.ts': `export const rare = () => 'read by two';\n`,
      'layers/platform/src/common.ts': `export const common = () => 'read by three';\n`,
      'functions/lean-router/handler.ts': handlerOf('through'),
      'functions/order-sync/handler.ts': `import { other } from '@torghut/domain';\nexport const handler = other;\n`,
      'functions/operator-api/handler.ts': handlerOf('rare', 'common'),
      'functions/freshness-check/handler.ts': handlerOf('rare', 'common'),
      'functions/alpaca-router/handler.ts': handlerOf('common'),
    });
    const { domain, platform } = layerCode(root);
    const sourcesOf = (name: FunctionName): readonly string[] => {
      const own = functionBundle({ sourceRoot: root, name, inlineLayers: false });
      return filesToLoad(loadableCode([domain, platform, own]), ['index.mjs'])
        .flatMap(({ inputs }) => Object.entries(inputs))
        .filter(([path, { bytesInOutput }]) => path.startsWith('layers/') && bytesInOutput > 0)
        .map(([path]) => path.slice('layers/'.length))
        .toSorted();
    };
    const common = 'platform/src/common.ts';
    expect(sourcesOf('lean-router')).toEqual(['domain/src/asked.ts', common, 'platform/src/through.ts']);
    expect(sourcesOf('order-sync')).toEqual(['domain/src/other.ts', common]);
    expect(sourcesOf('operator-api')).toEqual([common, 'platform/src/rare.ts']);
    expect(sourcesOf('migrate')).toEqual([common, 'platform/src/relayed.ts']);
    const inPlatform = Object.values(platform.metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
    expect(inPlatform.filter((path) => path.startsWith('layers/domain/src/asked'))).toEqual([]);
  });

  it.each([
    [
      `import * as all from '@torghut/platform';\nexport const handler = () => all;\n`,
      'expected named imports from "@torghut/platform"',
    ],
    [
      `export const handler = () => import('@torghut/platform');\n`,
      'expected static imports of names from @torghut/platform',
    ],
  ])('refuses a function of which it cannot say what it takes: %s', (handler, message) => {
    const root = plant({ ...smallestTree, 'functions/lean-router/handler.ts': handler });
    expect(() => layerCode(root)).toThrow(`function lean-router: ${message}`);
  });
});

describe('TorghutFunction', () => {
  it('leaves the layers out of the bundle, and takes them in when they are inlined', () => {
    const root = plant();
    const layered = bundlesIn(synthesizeStage(root).assembly).filter((text) => text.includes('"lean-router"'));
    expect(layered).toEqual([expect.stringContaining('from"@torghut/layers/lean-router"')]);

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
        'layers/platform/src/index.ts': `globalThis.loaded = ['platform'];\nexport const relayed = 42;\n`,
        'node_modules/@torghut/platform/index.js': `globalThis.loaded = ['platform'];\nexport const relayed = 42;\n`,
        'functions/lean-router/handler.ts':
          `import { relayed } from '@torghut/platform';\n` +
          `globalThis.loaded.push('handler', relayed);\n` +
          `export const handler = (event, context) => [event, context];\n`,
      });
      for (const layer of Object.values(layerCode(root))) writeBundle(layer, root);
      const task = join(root, 'nodejs/task');
      writeBundle(functionBundle({ sourceRoot: root, name: 'lean-router', inlineLayers }), task);
      const { handler } = (await import(join(task, 'index.mjs'))) as {
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
          {
            Effect: 'Allow',
            Action: ['kms:GetPublicKey', 'kms:Sign'],
            Resource: { 'Fn::GetAtt': ['EvidenceSigningKey', 'Arn'] },
          },
          {
            Effect: 'Allow',
            Action: 's3:PutObject',
            Resource: ['/datasets/*', '/evidence/*', '/work/*'].map((keys) => ({
              'Fn::Join': ['', [{ 'Fn::GetAtt': ['EvidenceBucket', 'Arn'] }, keys]],
            })),
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
