import { join } from 'node:path';

import { secretKeys } from '@torghut/domain';
import { App, CfnResource, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { ObjectLockMode } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readSettings } from '../../infra/config.ts';
import { ManagedDatabase } from '../../infra/constructs/database.ts';
import { EvidenceBucket } from '../../infra/constructs/evidence-bucket.ts';
import { SigningKey } from '../../infra/constructs/signing-key.ts';
import { NetworkStack } from '../../infra/stacks/network-stack.ts';
import { TorghutStage } from '../../infra/torghut-stage.ts';
import { context, liveSettings, plantTree, removeTree, type SynthesizedStage, synthesizeStage } from './source-tree.ts';

interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}
const resourcesOf = (template: Template): Readonly<Record<string, Resource>> =>
  (template.toJSON() as { Resources: Record<string, Resource> }).Resources;

let root: string;
let paper: SynthesizedStage;
let live: SynthesizedStage;
let single: SynthesizedStage;
beforeAll(() => {
  root = plantTree();
  paper = synthesizeStage(root);
  live = synthesizeStage(root, 'live', liveSettings, 'live');
  single = synthesizeStage(root, 'live', { ...liveSettings, 'live:database': 'rds' }, 'rds');
});
afterAll(() => {
  removeTree(root);
});

describe('state that goes', () => {
  it('is none that matters: databases leave a snapshot, and evidence, keys and secrets stay', () => {
    const policies: Readonly<Record<string, string>> = {
      'AWS::RDS::DBCluster': 'Snapshot',
      'AWS::S3::Bucket': 'Retain',
      'AWS::SecretsManager::Secret': 'Retain',
    };
    for (const { state } of [paper, live, single]) {
      const kept = Object.values(resourcesOf(state)).filter(({ Type }) => Type in policies);
      expect(kept.length).toBeGreaterThanOrEqual(7);
      for (const { Type, DeletionPolicy, UpdateReplacePolicy } of kept)
        expect([DeletionPolicy, UpdateReplacePolicy]).toEqual([policies[Type], policies[Type]]);
      // The key of alarm notifications protects nothing that is stored.
      const keys = Object.entries(resourcesOf(state)).filter(([, { Type }]) => Type === 'AWS::KMS::Key');
      expect(keys.filter(([, { DeletionPolicy }]) => DeletionPolicy !== 'Retain').map(([id]) => id)).toEqual([
        expect.stringMatching(/^PagingKey/),
      ]);
    }
    expect(resourcesOf(single.state)['DatabaseInstance']).toMatchObject({
      DeletionPolicy: 'Snapshot',
      UpdateReplacePolicy: 'Snapshot',
    });
  });

  it('needs someone to switch the protection off first', () => {
    for (const { stage } of [paper, live, single]) expect(stage.state.terminationProtection).toBe(true);
    paper.state.hasResourceProperties('AWS::RDS::DBCluster', { DeletionProtection: true });
    single.state.hasResourceProperties('AWS::RDS::DBInstance', { DeletionProtection: true });
    const free = synthesizeStage(root, 'paper', { 'paper:deletionProtection': 'false' }, 'free');
    expect(free.stage.state.terminationProtection).toBe(false);
    free.state.hasResourceProperties('AWS::RDS::DBCluster', { DeletionProtection: false });
  });
});

describe('the database', () => {
  it('is encrypted, private, backed up, signed in to by IAM over TLS only, and says what it does for as long as logs stay', () => {
    const common = {
      StorageEncrypted: true,
      KmsKeyId: { 'Fn::GetAtt': ['DatabaseKey', 'Arn'] },
      EnableIAMDatabaseAuthentication: true,
      EnableCloudwatchLogsExports: ['postgresql'],
    };
    paper.state.hasResourceProperties('AWS::RDS::DBCluster', { ...common, BackupRetentionPeriod: 7 });
    live.state.hasResourceProperties('AWS::RDS::DBCluster', { ...common, BackupRetentionPeriod: 35 });
    single.state.hasResourceProperties('AWS::RDS::DBInstance', {
      ...common,
      BackupRetentionPeriod: 35,
      DeleteAutomatedBackups: false,
    });
    for (const [{ state }, days] of [
      [paper, 90],
      [live, 365],
      [single, 365],
    ] as const) {
      state.allResourcesProperties('AWS::RDS::DBInstance', { PubliclyAccessible: false });
      state.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: days });
    }
    for (const group of ['AWS::RDS::DBClusterParameterGroup', 'AWS::RDS::DBParameterGroup'])
      (group.includes('Cluster') ? paper : single).state.hasResourceProperties(group, {
        Parameters: Match.objectLike({ 'rds.force_ssl': '1' }),
      });
  });

  it('writes to the log group that was declared for it', () => {
    const { DatabaseLog: log, DatabaseCluster: cluster } = resourcesOf(paper.state);
    const prefixed = JSON.stringify(log!.Properties['LogGroupName']);
    const identifier = JSON.stringify(cluster!.Properties['DBClusterIdentifier']);
    expect(prefixed.replace('/aws/rds/cluster/', '').replace(',"/postgresql"', '')).toBe(identifier);
  });

  it('stands by in a second zone for live', () => {
    paper.state.resourceCountIs('AWS::RDS::DBInstance', 1);
    live.state.resourceCountIs('AWS::RDS::DBInstance', 2);
    single.state.hasResourceProperties('AWS::RDS::DBInstance', { MultiAZ: true });
  });

  it('is reached through a proxy that takes TLS and IAM, knows no password, and signs in as the runtime role only', () => {
    paper.state.hasResourceProperties('AWS::RDS::DBProxy', {
      RequireTLS: true,
      DefaultAuthScheme: 'IAM_AUTH',
      Auth: Match.absent(),
    });
    paper.state.hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: 'DatabaseProxyRole' }],
      PolicyDocument: Match.objectLike({
        Statement: [
          {
            Effect: 'Allow',
            Action: 'rds-db:connect',
            Resource: {
              'Fn::Join': [
                '',
                Match.arrayWith([{ 'Fn::GetAtt': ['DatabaseCluster', 'DBClusterResourceId'] }, '/torghut_app']),
              ],
            },
          },
        ],
      }),
    });
  });

  it('admits the proxy and the migration, the proxy admits the functions, and neither reaches out any further', () => {
    const rules = Object.values(resourcesOf(paper.state))
      .filter(({ Type }) => /SecurityGroup(?:In|E)gress/.test(Type))
      .map(({ Type, Properties }) => {
        const name = (value: unknown): string =>
          /(?:Functions|Migration|DatabaseProxy|Database)SecurityGroup/.exec(JSON.stringify(value))![0];
        const other = Properties['SourceSecurityGroupId'] ?? Properties['DestinationSecurityGroupId'];
        expect([Properties['FromPort'], Properties['ToPort']]).toEqual([5432, 5432]);
        return `${name(Properties['GroupId'])} ${Type.endsWith('Ingress') ? 'from' : 'to'} ${name(other)}`;
      });
    expect(rules.toSorted()).toEqual([
      'DatabaseProxySecurityGroup from FunctionsSecurityGroup',
      'DatabaseProxySecurityGroup to DatabaseSecurityGroup',
      'DatabaseSecurityGroup from DatabaseProxySecurityGroup',
      'DatabaseSecurityGroup from MigrationSecurityGroup',
    ]);
    for (const group of Object.values(resourcesOf(paper.state)).filter(
      ({ Type }) => Type === 'AWS::EC2::SecurityGroup',
    ))
      // The library's way to say nothing: EC2 opens a group without any rule.
      expect(group.Properties['SecurityGroupEgress']).toMatchObject([{ CidrIp: '255.255.255.255/32' }]);
  });

  it('lives in subnets without a way out', () => {
    const { network } = paper;
    const routes = Object.values(resourcesOf(network!)).filter(({ Type }) => Type === 'AWS::EC2::Route');
    expect(routes.length).toBeGreaterThan(0);
    expect(JSON.stringify(routes)).not.toContain('DatabaseSubnet');
    expect(JSON.stringify(resourcesOf(paper.state)['DatabaseClusterSubnets'])).toMatch(
      /NetworkDatabaseSubnet1.*Subnet2/,
    );
  });
});

describe('the network', () => {
  it('logs all its traffic for as long as logs stay, closes the default group, and gives nothing a public address', () => {
    const network = paper.network!;
    network.hasResourceProperties('AWS::EC2::FlowLog', { TrafficType: 'ALL', ResourceType: 'VPC' });
    network.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90 });
    network.resourceCountIs('Custom::VpcRestrictDefaultSG', 1);
    network.allResourcesProperties('AWS::EC2::Subnet', { MapPublicIpOnLaunch: false });
    network.resourceCountIs('AWS::EC2::NatGateway', 1);
    live.network!.resourceCountIs('AWS::EC2::NatGateway', 2);
  });

  it('keeps the ranges of its subnets when it gets another NAT gateway, and room for a third zone', () => {
    const rangesWith = (natGateways: number): Readonly<Record<string, readonly [unknown, unknown]>> => {
      const settings = readSettings('paper', { 'paper:natGateways': natGateways }, {});
      const app = new App({
        context,
        outdir: join(root, `nat-${natGateways}`),
        builtinCloudFormationValidation: false,
      });
      const subnets = Template.fromStack(new NetworkStack(app, 'network', { settings })).findResources(
        'AWS::EC2::Subnet',
      ) as Record<string, Resource>;
      return Object.fromEntries(
        Object.entries(subnets).map(([id, { Properties }]) => [
          id,
          [Properties['CidrBlock'], Properties['AvailabilityZone']],
        ]),
      );
    };
    expect(rangesWith(2)).toEqual(rangesWith(1));
    expect(Object.fromEntries(Object.entries(rangesWith(1)).map(([id, [range]]) => [id, range]))).toEqual({
      NetworkPublicSubnet1Subnet: '10.0.0.0/22',
      NetworkPublicSubnet2Subnet: '10.0.4.0/22',
      NetworkFunctionsSubnet1Subnet: '10.0.12.0/22',
      NetworkFunctionsSubnet2Subnet: '10.0.16.0/22',
      NetworkDatabaseSubnet1Subnet: '10.0.24.0/22',
      NetworkDatabaseSubnet2Subnet: '10.0.28.0/22',
    });
  });

  it.each([16, 18])('fits into a range of /%s', (prefix) => {
    const settings = readSettings('paper', { 'paper:vpcCidr': `10.1.0.0/${prefix}` }, {});
    const app = new App({ context, outdir: join(root, `cidr-${prefix}`), builtinCloudFormationValidation: false });
    const network = Template.fromStack(new NetworkStack(app, 'network', { settings }));
    network.resourceCountIs('AWS::EC2::Subnet', 6);
  });
});

describe('the evidence bucket', () => {
  it('is versioned and locked by default: governance for paper, compliance for live', () => {
    const locked = (mode: string, days: number) => ({
      VersioningConfiguration: { Status: 'Enabled' },
      ObjectLockEnabled: true,
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: mode, Days: days } },
      },
    });
    paper.state.hasResourceProperties('AWS::S3::Bucket', locked('GOVERNANCE', 365));
    live.state.hasResourceProperties('AWS::S3::Bucket', locked('COMPLIANCE', 2_192));
  });

  it('forbids everyone to delete or overwrite, and to connect without TLS', () => {
    const everyObject = { 'Fn::Join': ['', [{ 'Fn::GetAtt': ['EvidenceBucket', 'Arn'] }, '/*']] };
    const deny = (rest: object) => Match.objectLike({ Effect: 'Deny', Principal: { AWS: '*' }, ...rest });
    paper.state.hasResourceProperties('AWS::S3::BucketPolicy', {
      Bucket: { Ref: 'EvidenceBucket' },
      PolicyDocument: Match.objectLike({
        Statement: [
          deny({ Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
          deny({ Action: ['s3:DeleteObject', 's3:DeleteObjectVersion'], Resource: everyObject }),
          deny({
            Action: 's3:PutObject',
            Resource: everyObject,
            Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
          }),
        ],
      }),
    });
  });

  it('is as little public as any other bucket, and notes every access', () => {
    for (const { state } of [paper, live])
      state.allResourcesProperties('AWS::S3::Bucket', {
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
        BucketEncryption: Match.anyValue(),
      });
    expect(resourcesOf(paper.state)['EvidenceBucket']!.Properties).toMatchObject({
      LoggingConfiguration: { DestinationBucketName: { Ref: 'EvidenceBucketAccessLogs' } },
    });
  });
});

describe('the signing key', () => {
  it('signs with P-256 and is kept', () => {
    expect(resourcesOf(paper.state)['EvidenceSigningKey']).toMatchObject({
      Properties: { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
      DeletionPolicy: 'Retain',
    });
  });
});

describe('paging', () => {
  it('takes alarms of this account over TLS only, encrypted with a key that CloudWatch may use', () => {
    live.state.resourceCountIs('AWS::SNS::Topic', 2);
    live.state.allResourcesProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
    const alarms = { Effect: 'Allow', Principal: { Service: 'cloudwatch.amazonaws.com' } };
    const ofThisAccount = { Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } } };
    live.state.allResourcesProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: Match.objectLike({
        Statement: [
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
          Match.objectLike({ ...alarms, ...ofThisAccount, Action: 'sns:Publish' }),
        ],
      }),
    });
    live.state.hasResourceProperties('AWS::KMS::Key', {
      EnableKeyRotation: true,
      KeyPolicy: Match.objectLike({
        // Without a condition: a key that does not see the account would refuse, and every notification would be lost.
        Statement: Match.arrayWith([
          Match.objectLike({
            ...alarms,
            Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
            Resource: '*',
            Condition: Match.absent(),
          }),
        ]),
      }),
    });
  });

  it('sends pages to the pager and only tickets to mail, and keeps what was not delivered', () => {
    const subscriptions = Object.values(resourcesOf(live.state)).filter(
      ({ Type }) => Type === 'AWS::SNS::Subscription',
    );
    const undelivered = { deadLetterTargetArn: { 'Fn::GetAtt': ['NotificationDeadLetterQueue', 'Arn'] } };
    expect(subscriptions.map(({ Properties }) => Properties)).toEqual([
      {
        Protocol: 'https',
        Endpoint: 'https://pager.example.com/events',
        TopicArn: { Ref: 'PagesTopic' },
        RedrivePolicy: undelivered,
      },
      {
        Protocol: 'email',
        Endpoint: 'torghut@example.com',
        TopicArn: { Ref: 'TicketsTopic' },
        RedrivePolicy: undelivered,
      },
    ]);
  });
});

describe('secrets', () => {
  it('are those that the contract names, the database’s among them where it is not ours', () => {
    const external = synthesizeStage(root, 'paper', { 'paper:database': 'external' }, 'external');
    external.state.resourceCountIs('AWS::SecretsManager::Secret', Object.keys(secretKeys).length);
    // The owner's is generated, and the functions sign in by IAM.
    paper.state.resourceCountIs('AWS::SecretsManager::Secret', Object.keys(secretKeys).length - 1);
    expect(resourcesOf(paper.state)).toHaveProperty('DatabaseOwnerSecret');
  });

  it('that are there already are read where they are and not created', () => {
    const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:broker-AbC123';
    const imported = synthesizeStage(root, 'paper', { 'paper:alpacaSecretArn': arn }, 'imported');
    expect(resourcesOf(imported.state)).not.toHaveProperty('AlpacaSecret');
    imported.runtime.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ ALPACA_SECRET_ID: arn }) },
    });
  });
});

describe('a rename', () => {
  /** Metadata and tags say where a resource stands in the tree; neither replaces it. */
  const withoutPlace = (template: Template): unknown =>
    JSON.parse(
      JSON.stringify(template.toJSON(), (key, value: unknown) =>
        ['Metadata', 'Tags'].includes(key) ? undefined : value,
      ),
    );

  it('of the stage changes neither the name of a stack nor anything that keeps state', () => {
    const app = new App({ context, outdir: join(root, 'renamed'), builtinCloudFormationValidation: false });
    const renamed = new TorghutStage(app, 'another-name', {
      settings: readSettings('paper', {}, {}),
      sourceRoot: root,
    });
    for (const name of ['network', 'state', 'runtime', 'promotion', 'operator'] as const)
      expect(renamed[name]!.stackName).toBe(paper.stage[name]!.stackName);
    expect(withoutPlace(Template.fromStack(renamed.network!))).toEqual(withoutPlace(paper.network!));
    expect(withoutPlace(Template.fromStack(renamed.state))).toEqual(withoutPlace(paper.state));
  });

  it('or a move inside a stack leaves database, evidence and key where they are', () => {
    const idsOf = (below: (stack: Stack) => Construct, output: string): readonly string[] => {
      const app = new App({ context, outdir: join(root, output), builtinCloudFormationValidation: false });
      const { network } = new NetworkStack(app, 'network', { settings: readSettings('paper', {}, {}) });
      const stack = new Stack(app, 'state');
      const scope = below(stack);
      new ManagedDatabase(scope, scope === stack ? 'Database' : 'Ledger', {
        network,
        size: { engine: 'aurora', minimumCapacity: 1, maximumCapacity: 2 },
        standby: true,
        backupDays: 7,
        deletionProtection: true,
        logRetention: RetentionDays.ONE_MONTH,
      });
      new EvidenceBucket(scope, scope === stack ? 'Evidence' : 'Archive', {
        lockMode: ObjectLockMode.GOVERNANCE,
        retentionDays: 1,
        accessLogDays: 1,
      });
      new SigningKey(scope, scope === stack ? 'Key' : 'Signer');
      return scope.node
        .findAll()
        .filter((construct) => CfnResource.isCfnResource(construct))
        .map((resource) => stack.resolve(resource.logicalId) as string)
        .toSorted();
    };
    const before = idsOf((stack) => stack, 'before');
    expect(before.length).toBeGreaterThan(15);
    expect(idsOf((stack) => new Construct(new Construct(stack, 'Deeper'), 'Still'), 'after')).toEqual(before);
  });
});
