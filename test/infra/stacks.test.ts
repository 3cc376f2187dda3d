import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  databaseKeys,
  deployment,
  evidenceKeys,
  functionNames,
  parseSettings,
  queues,
  schedules,
  secretKeys,
} from '@torghut/domain';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { functionLogicalId, researchLaneLogicalId } from '../../infra/constructs/logical-id.ts';
import { compileSchedule } from '../../infra/local/schedule-expression.ts';
import { functionTable, reservedConcurrencyOfEnvironment } from '../../infra/stacks/function-table.ts';
import { liveSettings, plantTree, removeTree, type SynthesizedStage, synthesizeStage } from './source-tree.ts';

interface FunctionResource {
  readonly Properties: {
    readonly Timeout: number;
    readonly Role: { readonly 'Fn::GetAtt': readonly [string, string] };
    readonly ReservedConcurrentExecutions: number;
    readonly VpcConfig: { readonly SubnetIds: unknown; readonly SecurityGroupIds: unknown };
    readonly Environment: { readonly Variables: Readonly<Record<string, unknown>> };
  };
}

let root: string;
let stage: SynthesizedStage;
let functions: Readonly<Record<string, FunctionResource>>;

beforeAll(() => {
  root = plantTree();
  stage = synthesizeStage(root);
  functions = stage.runtime.findResources('AWS::Lambda::Function') as unknown as typeof functions;
});
afterAll(() => {
  removeTree(root);
});

const variablesOf = (name: (typeof functionNames)[number]): Readonly<Record<string, unknown>> =>
  functions[functionLogicalId(name)]!.Properties.Environment.Variables;

describe('functions', () => {
  it('declares every function of the contract and no other', () => {
    expect(Object.keys(functions).toSorted()).toEqual(functionNames.map(functionLogicalId).toSorted());
  });

  it('runs all of them on Node 24 and arm64, traced, from both layers, with their own log group', () => {
    stage.runtime.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      TracingConfig: { Mode: 'Active' },
      Layers: [{ Ref: Match.stringLikeRegexp('DomainLayer') }, { Ref: Match.stringLikeRegexp('PlatformLayer') }],
      LoggingConfig: { LogGroup: { Ref: Match.anyValue() } },
      Environment: { Variables: Match.objectLike({ NODE_OPTIONS: '--enable-source-maps' }) },
    });
    stage.runtime.resourceCountIs('AWS::Logs::LogGroup', functionNames.length + ['the research lane'].length);
    stage.runtime.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90 });
  });

  it('gives each function a role of its own', () => {
    const roles = Object.values(functions).map(({ Properties }) => Properties.Role['Fn::GetAtt'][0]);
    expect(new Set(roles).size).toBe(functionNames.length);
  });

  it('never retries an asynchronous invocation and keeps what failed', () => {
    stage.runtime.resourceCountIs('AWS::Lambda::EventInvokeConfig', functionNames.length);
    stage.runtime.allResourcesProperties('AWS::Lambda::EventInvokeConfig', {
      MaximumRetryAttempts: 0,
      MaximumEventAgeInSeconds: 60,
    });
    for (const name of functionNames) {
      stage.runtime.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
        FunctionName: { Ref: functionLogicalId(name) },
        DestinationConfig: {
          OnFailure: { Destination: { 'Fn::ImportValue': Match.stringLikeRegexp('InvocationDeadLetterQueue') } },
        },
      });
    }
  });

  it.each(functionNames)(
    'gives %s an environment that its settings schema accepts, with every queue and secret it uses',
    (name) => {
      const variables = variablesOf(name);
      const literals = Object.fromEntries(Object.entries(variables).filter(([, value]) => typeof value === 'string'));
      const settings = parseSettings(literals as Record<string, string>);
      expect(settings.TRADING_MODE).toBe('paper');
      expect([settings.TRADING_ENABLED, settings.TRADING_AUTONOMY_ENABLED, settings.TRADING_LIVE_ENABLED]).toEqual([
        false,
        false,
        false,
      ]);
      for (const url of ['TA_CLICKHOUSE_URL', 'JANGAR_SYMBOLS_URL', 'TRADING_LEAN_RUNNER_URL'] as const)
        expect(settings[url]).not.toBeNull();

      const { reads, sendsTo, readsEvidence, writesEvidence, signs, verifies } = functionTable[name];
      const references = [
        ...reads.filter((secret) => secret !== 'database').map((secret) => secretKeys[secret]),
        // Whoever migrates goes to the database itself, everyone else signs in to its proxy.
        ...(reads.includes('database') && name !== 'migrate' ? [databaseKeys.host] : []),
        ...sendsTo.map((queue) => queues[queue].environmentKey),
        ...(readsEvidence === true || writesEvidence === true ? [evidenceKeys.bucket] : []),
        ...(signs === true || verifies === true ? [evidenceKeys.signingKey] : []),
      ];
      const found = Object.entries(variables).filter(([, value]) => typeof value !== 'string');
      expect(found.map(([key]) => key).toSorted()).toEqual(references.toSorted());
    },
  );

  it('puts no secret value in any environment: secrets are references, and no name asks for a value', () => {
    for (const name of functionNames) {
      for (const [key, value] of Object.entries(variablesOf(name))) {
        expect(key).not.toMatch(/PASSWORD|SECRET(?!_ID$)|TOKEN|API_KEY|CREDENTIAL/);
        if (key.endsWith('_SECRET_ID'))
          expect(value).toEqual({ 'Fn::ImportValue': expect.stringMatching(/Secret/) as string });
        expect(JSON.stringify(value)).not.toMatch(/resolve:secretsmanager|:\/\/[^/@]+@/);
      }
    }
  });

  it('reserves concurrency for every function, so that none can starve another', () => {
    for (const name of functionNames)
      expect(functions[functionLogicalId(name)]!.Properties.ReservedConcurrentExecutions).toBeGreaterThan(0);
  });

  it('reserves in all what the account must have beside the 100 that Lambda keeps unreserved', () => {
    const reserved = Object.values(functions).map(({ Properties }) => Properties.ReservedConcurrentExecutions);
    expect(reserved.reduce((sum, share) => sum + share, 0)).toBe(reservedConcurrencyOfEnvironment);
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8').replaceAll(/\s+/g, ' ');
    expect(readme).toContain(`reserve ${reservedConcurrencyOfEnvironment} concurrent executions`);
    expect(readme).toContain(`has to be ${reservedConcurrencyOfEnvironment + 100} or more`);
  });

  it('gives functions the proxy by name, and the migration the list of authorities that sign its certificate', () => {
    expect(variablesOf('autonomy-cycle')).toMatchObject({
      [databaseKeys.port]: '5432',
      [databaseKeys.name]: 'torghut',
      [databaseKeys.user]: 'torghut_app',
    });
    expect(variablesOf('autonomy-cycle')).not.toHaveProperty(secretKeys.database);
    expect(variablesOf('migrate')).toMatchObject({ NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem' });
    expect(variablesOf('migrate')).not.toHaveProperty(databaseKeys.host);
    expect(variablesOf('autonomy-cycle')).not.toHaveProperty('NODE_EXTRA_CA_CERTS');
  });

  it('gives every function that goes to a database of the outside the list of authorities that sign certificates of RDS', () => {
    const external = synthesizeStage(root, 'paper', { 'paper:database': 'external' }, 'external');
    const declared = external.runtime.findResources('AWS::Lambda::Function') as unknown as typeof functions;
    expect(functionNames.filter((name) => functionTable[name].reads.includes('database'))).toEqual(functionNames);
    for (const name of functionNames)
      expect(declared[functionLogicalId(name)]!.Properties.Environment.Variables).toMatchObject({
        NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
      });
  });

  it('runs every function in private subnets, the migration in a security group of its own', () => {
    for (const name of functionNames) {
      const { VpcConfig } = functions[functionLogicalId(name)]!.Properties;
      expect(JSON.stringify(VpcConfig.SubnetIds)).toMatch(/NetworkFunctionsSubnet1.*NetworkFunctionsSubnet2/);
      expect(JSON.stringify(VpcConfig.SecurityGroupIds)).toContain(
        name === 'migrate' ? 'MigrationSecurityGroup' : 'FunctionsSecurityGroup',
      );
    }
  });

  it('stamps every function with the SHA-256 of the domain layer', () => {
    const hashes = new Set(functionNames.map((name) => variablesOf(name)['TORGHUT_CODE_HASH']));
    expect(hashes.size).toBe(1);
    const [hash] = [...hashes] as string[];
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    stage.runtime.hasResourceProperties('AWS::Lambda::LayerVersion', {
      Content: { S3Key: `${hash!}.zip` },
      Description: Match.stringLikeRegexp('@torghut/domain'),
    });
  });
});

describe('queues', () => {
  it.each([
    ['lean', true, 3],
    ['alpaca', true, 3],
    ['followUp', false, 3],
    ['evidence', false, 1],
  ] as const)(
    '%s: visibility is six times the timeout of its consumer, then the dead-letter queue after its receives',
    (name, fifo, receives) => {
      const { logicalId, consumer } = queues[name];
      const timeout = functions[functionLogicalId(consumer)]!.Properties.Timeout;
      const found = stage.state.findResources('AWS::SQS::Queue') as Record<
        string,
        { Properties: Record<string, unknown> }
      >;
      expect(found[logicalId]?.Properties).toMatchObject({
        ...(fifo ? { FifoQueue: true, ContentBasedDeduplication: false } : {}),
        VisibilityTimeout: 6 * timeout,
        RedrivePolicy: {
          deadLetterTargetArn: { 'Fn::GetAtt': [`${logicalId}DeadLetter`, 'Arn'] },
          maxReceiveCount: receives,
        },
        SqsManagedSseEnabled: true,
      });
      expect(found[`${logicalId}DeadLetter`]?.Properties).toMatchObject({
        ...(fifo ? { FifoQueue: true } : {}),
        MessageRetentionPeriod: 14 * 24 * 3_600,
      });
    },
  );

  it('leaves an order 150 s to a router that takes at most 25 s', () => {
    stage.state.resourcePropertiesCountIs('AWS::SQS::Queue', { FifoQueue: true, VisibilityTimeout: 150 }, 2);
    expect(deployment.queueVisibilitySeconds).toBe(150);
    for (const name of ['lean-router', 'alpaca-router'] as const)
      expect(functions[functionLogicalId(name)]?.Properties.Timeout).toBe(25);
  });

  it('refuses every queue to a connection without TLS', () => {
    const count = Object.keys(stage.state.findResources('AWS::SQS::Queue')).length;
    stage.state.resourcePropertiesCountIs(
      'AWS::SQS::QueuePolicy',
      {
        PolicyDocument: Match.objectLike({
          Statement: [Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })],
        }),
      },
      count,
    );
  });

  it('delivers batches of the agreed size that may fail in part, within the concurrency reserved for the consumer', () => {
    stage.runtime.resourceCountIs('AWS::Lambda::EventSourceMapping', Object.keys(queues).length);
    for (const { logicalId, consumer, batchSize } of Object.values(queues)) {
      const reserved = functions[functionLogicalId(consumer)]!.Properties.ReservedConcurrentExecutions;
      const [mapping] = Object.values(
        stage.runtime.findResources('AWS::Lambda::EventSourceMapping', {
          Properties: { FunctionName: { Ref: functionLogicalId(consumer) } },
        }),
      ) as { Properties: { ScalingConfig: { MaximumConcurrency: number } } & Record<string, unknown> }[];
      expect(mapping?.Properties).toMatchObject({
        EventSourceArn: { 'Fn::ImportValue': expect.stringContaining(logicalId) as string },
        BatchSize: batchSize,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
      });
      expect(mapping?.Properties).not.toHaveProperty('MaximumBatchingWindowInSeconds');
      expect(mapping!.Properties.ScalingConfig.MaximumConcurrency).toBeLessThanOrEqual(reserved);
    }
  });
});

describe('schedules', () => {
  it.each(Object.entries(schedules))(
    '%s runs on the clock of New York, gives up after a minute, and says which window it is',
    (name, expression) => {
      const logicalId = functionLogicalId(name as keyof typeof schedules);
      stage.runtime.hasResourceProperties('AWS::Scheduler::Schedule', {
        ScheduleExpression: expression,
        ScheduleExpressionTimezone: 'America/New_York',
        FlexibleTimeWindow: { Mode: 'OFF' },
        Target: Match.objectLike({
          // A run of the lane is many invocations of its function.
          Arn: name === 'research-lane' ? { Ref: researchLaneLogicalId } : { 'Fn::GetAtt': [logicalId, 'Arn'] },
          Input: '{"scheduledFor":"<aws.scheduler.scheduled-time>"}',
          RetryPolicy: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 1 },
          DeadLetterConfig: { Arn: { 'Fn::ImportValue': Match.stringLikeRegexp('ScheduleDeadLetterQueue') } },
        }),
      });
    },
  );

  it('lets a scheduled function end before its next tick', () => {
    const noon = Date.parse('2026-02-13T17:00:00.000Z');
    for (const [name, expression] of Object.entries(schedules)) {
      if (name === 'research-lane') continue;
      const schedule = compileSchedule(expression, deployment.scheduleTimezone);
      const first = schedule.next(noon)!;
      const seconds = (schedule.next(first)! - first) / 1_000;
      expect(functions[functionLogicalId(name as keyof typeof schedules)]!.Properties.Timeout).toBeLessThan(seconds);
    }
  });
});

it('lets a step of a research run wait for its turn, and for what is away, before it fails', () => {
  const { DefinitionString } = stage.runtime.findResources('AWS::StepFunctions::StateMachine')[researchLaneLogicalId]!
    .Properties as { readonly DefinitionString: { readonly 'Fn::Join': readonly [string, readonly unknown[]] } };
  const text = DefinitionString['Fn::Join'][1].map((part) => (typeof part === 'string' ? part : 'arn')).join('');
  type States = Readonly<
    Record<string, { readonly Type: string; readonly ItemProcessor?: { readonly States: States } }>
  >;
  const tasksOf = (states: States): readonly (readonly [string, unknown])[] =>
    Object.entries(states).flatMap(([name, state]) =>
      state.Type === 'Task' ? [[name, state] as const] : tasksOf(state.ItemProcessor?.States ?? {}),
    );
  const tasks = tasksOf((JSON.parse(text) as { readonly States: States }).States);
  expect(tasks).toHaveLength(7);
  for (const [name, task] of tasks)
    expect(task, name).toMatchObject({
      Retry: expect.arrayContaining([
        expect.objectContaining({ ErrorEquals: ['Lambda.TooManyRequestsException'], MaxAttempts: 10 }),
        expect.objectContaining({ ErrorEquals: ['OutOfReach'], MaxAttempts: 5, IntervalSeconds: 10, BackoffRate: 2 }),
      ]) as unknown,
    });
});

describe('operator', () => {
  it('answers only requests that are signed, but for the probe that says it runs', () => {
    const routes = Object.values(stage.operator.findResources('AWS::ApiGatewayV2::Route')) as {
      Properties: { RouteKey: string; AuthorizationType: string };
    }[];
    expect(
      Object.fromEntries(routes.map(({ Properties }) => [Properties.RouteKey, Properties.AuthorizationType])),
    ).toEqual({
      'GET /metrics': 'AWS_IAM',
      'GET /trading/{proxy+}': 'AWS_IAM',
      'GET /readyz': 'AWS_IAM',
      'GET /db-check': 'AWS_IAM',
      'GET /healthz': 'NONE',
      'POST /trading/controls/{control}': 'AWS_IAM',
      'POST /trading/adapters/{adapter}': 'AWS_IAM',
      'POST /trading/adapters/{adapter}/{symbol}': 'AWS_IAM',
    });
  });

  it('lets who may read change nothing: reading and changing are policies of their own, attached to nobody', () => {
    const declared = Object.entries(stage.operator.findResources('AWS::IAM::ManagedPolicy')) as unknown as [
      string,
      {
        Properties: {
          PolicyDocument: { Statement: { Action: string; Effect: string; Resource: unknown }[] };
          [member: string]: unknown;
        };
      },
    ][];
    const paths = (resource: unknown): string[] =>
      (Array.isArray(resource) ? resource : [resource]).map((each) =>
        JSON.stringify(each).replace(/^.*\$default\/([^"]*)".*$/, '$1'),
      );
    expect(
      Object.fromEntries(
        declared.map(([id, { Properties }]) => [
          id.replace(/[0-9A-F]{8}$/, ''),
          Properties.PolicyDocument.Statement.map(({ Action, Effect, Resource }) => [
            Effect,
            Action,
            paths(Resource).toSorted(),
          ]),
        ]),
      ),
    ).toEqual({
      OperatorReadPolicy: [['Allow', 'execute-api:Invoke', ['GET/*']]],
      OperatorChangePolicy: [['Allow', 'execute-api:Invoke', ['POST/trading/adapters/*', 'POST/trading/controls/*']]],
    });
    for (const [, { Properties }] of declared)
      for (const holders of ['Roles', 'Users', 'Groups']) expect(Properties).not.toHaveProperty(holders);
    expect(Object.keys(stage.operator.findOutputs('*'))).toEqual(
      expect.arrayContaining(['OperatorReadPolicyArn', 'OperatorChangePolicyArn']),
    );
  });

  it('throttles requests, and logs who asked for what for as long as everything else, without headers or bodies', () => {
    stage.operator.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      StageName: '$default',
      AutoDeploy: true,
      DefaultRouteSettings: { ThrottlingRateLimit: 20, ThrottlingBurstLimit: 40, DetailedMetricsEnabled: true },
      AccessLogSettings: {
        DestinationArn: Match.anyValue(),
        Format: Match.not(Match.stringLikeRegexp('header|body|authorizer\\.|querystring')),
      },
    });
    stage.operator.resourceCountIs('AWS::ApiGatewayV2::Stage', 1);
    stage.operator.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90 });
  });
});

describe('logs', () => {
  it.each(['paper', 'live'] as const)('of every function in every stack of %s end', (environment) => {
    const settings = environment === 'live' ? liveSettings : {};
    const { stage: synthesized } = synthesizeStage(root, environment, settings, `logs-${environment}`);
    const { network, state, runtime, promotion, operator, observability } = synthesized;
    const retention = environment === 'live' ? 365 : 90;
    let found = 0;
    for (const template of [network!, state, runtime, promotion, operator, observability].map((each) =>
      Template.fromStack(each),
    )) {
      const all = template.findResources('AWS::Logs::LogGroup') as Readonly<
        Record<string, { Properties: { RetentionInDays?: number } }>
      >;
      const groups = Object.keys(all);
      for (const logicalId of groups) expect(all[logicalId]!.Properties.RetentionInDays, logicalId).toBe(retention);
      const declared = template.findResources('AWS::Lambda::Function') as Readonly<
        Record<string, { Properties: { LoggingConfig?: { LogGroup: { Ref: string } } } }>
      >;
      for (const [logicalId, { Properties }] of Object.entries(declared)) {
        found += 1;
        expect(groups, logicalId).toContain(Properties.LoggingConfig?.LogGroup.Ref);
      }
    }
    // Ours, and the one that closes the default security group.
    expect(found).toBe(functionNames.length + 1);
  });
});

describe('environments', () => {
  it('renders live beside paper without a fixed physical name that both would claim', () => {
    const live = synthesizeStage(root, 'live', liveSettings, 'live');
    live.runtime.allResourcesProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: Match.objectLike({ TRADING_MODE: 'live', TRADING_LIVE_ENABLED: 'true', TRADING_ENABLED: 'false' }),
      },
    });
    const { network, state, runtime, promotion, operator } = live;
    const rendered = JSON.stringify(
      [network, state, runtime, promotion, operator].map((template) => template?.toJSON()['Resources'] as unknown),
    );
    // A name made of references differs with every stack; a name in text is the same in two.
    const inText = [...rendered.matchAll(/"(?!Policy)(\w*(?:Name|Identifier))":"([^"]*)"/g)];
    // None of these has to be unique in an account.
    expect(new Set(inText.map(([, property, value]) => `${property!} ${value!}`))).toEqual(
      new Set([
        'CACertificateIdentifier rds-ca-rsa2048-g1',
        'DatabaseName torghut',
        'DisplayName torghut pages',
        'DisplayName torghut tickets',
        'Name OperatorApi',
        'StageName $default',
        'TargetGroupName default',
      ]),
    );
  });
});
