import type { FunctionName } from '@torghut/domain';
import type { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { functionLogicalId } from '../../infra/constructs/logical-id.ts';
import { oneMachine, plantTree, removeTree, type SynthesizedStage, synthesizeStage } from './source-tree.ts';

interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}
interface Policy {
  readonly Properties: {
    readonly PolicyDocument: { readonly Statement: readonly Statement[] };
    readonly Roles: readonly { readonly Ref: string }[];
  };
}
interface Role {
  readonly Properties: { readonly ManagedPolicyArns?: unknown; readonly Policies?: unknown };
}
interface FunctionResource {
  readonly Properties: { readonly Role: { readonly 'Fn::GetAtt': readonly [string, string] } };
}

let root: string;
let stage: SynthesizedStage;
let withoutNetwork: SynthesizedStage;
beforeAll(() => {
  root = plantTree();
  stage = synthesizeStage(root);
  withoutNetwork = synthesizeStage(root, 'paper', oneMachine, 'one-machine');
});
afterAll(() => {
  removeTree(root);
});

const policiesIn = (template: Template): readonly Policy[] =>
  Object.values(template.findResources('AWS::IAM::Policy') as unknown as Record<string, Policy>);
const arrayOf = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? (value as T[]) : [value as T]);

/** Name of what a statement is about: a logical id without the library's hash, or the text that stands for it. */
const nameOf = (resource: unknown): string => {
  if (typeof resource === 'string') return resource;
  const text = JSON.stringify(resource);
  if (text.includes(':rds-db:')) return text.includes('DatabaseProxyDBProxyArn') ? 'proxy/torghut_app' : text;
  if (text.includes(':event-bus/default')) return 'event-bus/default';
  const imported = /ExportsOutput(?:Ref|FnGetAtt)(\w+?)(?:Arn)?[0-9A-F]{8}"/.exec(text)?.[1];
  const own = /^\{"Fn::GetAtt":\["(\w+?)(?:[0-9A-F]{8})?","Arn"\]\}$/.exec(text)?.[1];
  // What of a bucket: the objects below a prefix.
  const objects = /\/\w+\/\*"/.exec(text)?.[0].slice(0, -1) ?? '';
  return imported === undefined ? (own ?? text) : `${imported}${objects}`;
};

/** `action resource` for everything the role of a function is allowed. */
const allowedTo = (name: FunctionName, template: Template): readonly string[] => {
  const functions = template.findResources('AWS::Lambda::Function') as unknown as Record<string, FunctionResource>;
  const role = functions[functionLogicalId(name)]!.Properties.Role['Fn::GetAtt'][0];
  return policiesIn(template)
    .filter(({ Properties }) => Properties.Roles.some(({ Ref }) => Ref === role))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
    .filter(({ Effect }) => Effect === 'Allow')
    .flatMap(({ Action, Resource }) =>
      arrayOf(Action).flatMap((action) => arrayOf(Resource).map((resource) => `${action} ${nameOf(resource)}`)),
    )
    .toSorted();
};

const sends = (queue: string) =>
  ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl', 'sqs:SendMessage'].map((action) => `${action} ${queue}`);
const consumes = (queue: string) =>
  ['ChangeMessageVisibility', 'DeleteMessage', 'GetQueueAttributes', 'GetQueueUrl', 'ReceiveMessage'].map(
    (action) => `sqs:${action} ${queue}`,
  );
const reads = (secret: string) =>
  ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'].map((action) => `${action} ${secret}`);
const everyQueue = ['LeanExecutionQueue', 'AlpacaExecutionQueue', 'OrderFollowUpQueue'].flatMap(sends);
const evidenceObjects = (action: string) =>
  ['evidence', 'datasets', 'work'].map((prefix) => `${action} EvidenceBucket/${prefix}/*`);
const readsEvidence = [...evidenceObjects('s3:GetObject'), 's3:ListBucket EvidenceBucket'];
const signsEvidence = ['kms:Sign EvidenceSigningKey', 'kms:GetPublicKey EvidenceSigningKey'];
const signsIn = ['rds-db:connect proxy/torghut_app'];

/** What each function needs beyond what all of them have. */
const needs: Readonly<Record<FunctionName, readonly string[]>> = {
  'autonomy-cycle': [...signsIn, ...reads('ClickhouseSecret'), ...reads('JangarSecret'), ...everyQueue],
  'freshness-check': [...signsIn, ...reads('ClickhouseSecret'), ...everyQueue, 'events:PutEvents event-bus/default'],
  'lean-router': [
    ...signsIn,
    ...reads('AlpacaSecret'),
    ...reads('LeanSecret'),
    ...everyQueue,
    ...consumes('LeanExecutionQueue'),
  ],
  'alpaca-router': [...signsIn, ...reads('AlpacaSecret'), ...everyQueue, ...consumes('AlpacaExecutionQueue')],
  'order-sync': [
    ...signsIn,
    ...reads('AlpacaSecret'),
    ...reads('LeanSecret'),
    ...everyQueue,
    ...consumes('OrderFollowUpQueue'),
  ],
  'nightly-reconciliation': [
    ...signsIn,
    ...reads('ClickhouseSecret'),
    ...reads('AlpacaSecret'),
    ...readsEvidence,
    ...evidenceObjects('s3:PutObject'),
    ...signsEvidence,
  ],
  'research-lane': [
    ...signsIn,
    ...reads('ClickhouseSecret'),
    ...sends('EvidenceQueue'),
    ...readsEvidence,
    ...evidenceObjects('s3:PutObject'),
    ...signsEvidence,
  ],
  'evidence-writer': [
    ...signsIn,
    ...consumes('EvidenceQueue'),
    ...readsEvidence,
    'kms:GetPublicKey EvidenceSigningKey',
  ],
  'operator-api': signsIn,
  migrate: reads('DatabaseOwnerSecretAttachment'),
};

const networkActions = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
];
const tracing = ['xray:PutTelemetryRecords *', 'xray:PutTraceSegments *'];

/** What every function has: its own log, its trace, the queue for failed invocations. */
const common = (name: FunctionName): readonly string[] => [
  `logs:CreateLogStream ${functionLogicalId(name)}Logs`,
  `logs:PutLogEvents ${functionLogicalId(name)}Logs`,
  ...sends('InvocationDeadLetterQueue'),
  ...tracing,
];

describe('the role of a function', () => {
  it.each(Object.entries(needs))('allows %s what it needs and nothing else', (key, needed) => {
    const name = key as FunctionName;
    const network = networkActions.map((action) => `${action} *`);
    const expected = new Set([...common(name), ...network, ...needed]);
    expect(new Set(allowedTo(name, stage.runtime))).toEqual(expected);
  });

  it.each(Object.entries(needs))(
    'allows %s its secrets instead of the proxy, and no network, where the database is not ours',
    (key, needed) => {
      const name = key as FunctionName;
      const external = name === 'migrate' ? [...reads('DatabaseOwnerSecret'), ...reads('DatabaseSecret')] : needed;
      const expected = external.flatMap((need) => (need === signsIn[0] ? reads('DatabaseSecret') : [need]));
      expect(new Set(allowedTo(name, withoutNetwork.runtime))).toEqual(new Set([...common(name), ...expected]));
    },
  );

  it('decrypts the secrets that are there already with their key, and with no other', () => {
    const arn = (name: string) => `arn:aws:secretsmanager:us-east-1:123456789012:secret:${name}-AbC123`;
    const key = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    const settings = { 'paper:alpacaSecretArn': arn('alpaca') };
    const named = synthesizeStage(root, 'paper', { ...settings, 'paper:secretKeyArn': key }, 'named-key');
    const decrypts = (name: FunctionName, { runtime }: SynthesizedStage) =>
      allowedTo(name, runtime).filter((permission) => permission.startsWith('kms:'));
    for (const name of ['lean-router', 'alpaca-router', 'order-sync'] as const)
      expect(decrypts(name, named)).toEqual([`kms:Decrypt ${key}`]);
    for (const name of ['autonomy-cycle', 'freshness-check', 'operator-api', 'migrate'] as const)
      expect(decrypts(name, named)).toEqual([]);
    const unnamed = synthesizeStage(root, 'paper', settings, 'unnamed-key');
    expect(decrypts('alpaca-router', unnamed)).toEqual([]);
  });

  it('is denied in code what the Lambda service does to the network in its name', () => {
    const statements = policiesIn(stage.runtime).flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
    const allowed = statements.filter(({ Action }) => arrayOf(Action).includes('ec2:CreateNetworkInterface'));
    const denied = allowed.filter(({ Effect }) => Effect === 'Deny');
    expect(denied).toHaveLength(Object.keys(needs).length);
    expect(allowed).toHaveLength(2 * denied.length);
    for (const { Action, Condition } of denied) {
      expect(arrayOf(Action).toSorted()).toEqual(networkActions);
      expect(Condition).toEqual({ Null: { 'lambda:SourceFunctionArn': 'false' } });
    }
  });

  it('has no managed policy: those reach further than one function', () => {
    const roles = Object.values(stage.runtime.findResources('AWS::IAM::Role') as unknown as Record<string, Role>);
    for (const { Properties } of roles) {
      expect(Properties).not.toHaveProperty('ManagedPolicyArns');
      expect(Properties).not.toHaveProperty('Policies');
    }
  });
});

describe('no policy of any stack', () => {
  const statements = (): readonly Statement[] =>
    [stage.network!, stage.state, stage.runtime, stage.promotion, stage.operator]
      .flatMap(policiesIn)
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement);

  it('allows an action of a service as a whole', () => {
    const actions = statements().flatMap(({ Action }) => arrayOf(Action));
    expect(actions.length).toBeGreaterThan(0);
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
  });

  it('has a wildcard resource, but for traces, network interfaces, delivery of logs, objects of evidence, and versions of a step', () => {
    const everywhere = statements()
      .filter(({ Resource }) => arrayOf(Resource).some((resource) => JSON.stringify(resource).includes('*')))
      .flatMap(({ Action }) => arrayOf(Action));
    expect(new Set(everywhere)).toEqual(
      new Set([
        ...networkActions,
        ...['GetSamplingRules', 'GetSamplingTargets', 'PutTelemetryRecords', 'PutTraceSegments'].map(
          (name) => `xray:${name}`,
        ),
        ...['CreateLogDelivery', 'DeleteLogDelivery', 'GetLogDelivery', 'ListLogDeliveries', 'UpdateLogDelivery'].map(
          (name) => `logs:${name}`,
        ),
        ...['DescribeLogGroups', 'DescribeResourcePolicies', 'PutResourcePolicy'].map((name) => `logs:${name}`),
        's3:GetObject',
        's3:PutObject',
        'lambda:InvokeFunction',
      ]),
    );
  });
});
