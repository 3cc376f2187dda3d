import { Aws, Duration, Fn, RemovalPolicy } from 'aws-cdk-lib';
import {
  CfnSecurityGroupEgress,
  CfnSecurityGroupIngress,
  type ISecurityGroup,
  InstanceType,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2';
import { type IGrantable, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  AuroraPostgresEngineVersion,
  CaCertificate,
  ClusterInstance,
  Credentials,
  DatabaseCluster,
  DatabaseClusterEngine,
  DatabaseInstance,
  DatabaseInstanceEngine,
  DatabaseProxy,
  DatabaseSecret,
  DefaultAuthScheme,
  ParameterGroup,
  PostgresEngineVersion,
  ProxyTarget,
  StorageType,
} from 'aws-cdk-lib/aws-rds';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledgements.ts';
import { fixLogicalIds } from './fixed-logical-ids.ts';
import { stateLogicalIds } from './logical-id.ts';
import type { Network } from './network.ts';
import type { ReadableSecret } from './torghut-function.ts';

/** Where the ledger is: a database of our own behind a proxy, or one that secrets describe. */
export type Database = ManagedDatabase | ExternalDatabase;

export interface ExternalDatabase {
  readonly kind: 'external';
  /** Address and password of the role the functions run as. */
  readonly secret: ReadableSecret;
  /** Address and password of the role that migrates. */
  readonly ownerSecret: ReadableSecret;
}

/** How big the database is, by kind. */
export type DatabaseSize =
  | {
      readonly engine: 'aurora';
      /** Aurora capacity units. */
      readonly minimumCapacity: number;
      readonly maximumCapacity: number;
    }
  | { readonly engine: 'rds'; readonly instanceType: string; readonly storageGigabytes: number };

export interface ManagedDatabaseProps {
  readonly network: Network;
  readonly size: DatabaseSize;
  /** A second machine in another zone that takes over. */
  readonly standby: boolean;
  readonly backupDays: number;
  readonly deletionProtection: boolean;
  readonly logRetention: RetentionDays;
}

const port = 5432;
const databaseName = 'torghut';
/** The migrations create this role and let it sign in with tokens of IAM only. */
const runtimeRole = 'torghut_app';
const administrator = 'torghut_admin';

const parameters = {
  'rds.force_ssl': '1',
  // Statements slower than a second, for whoever looks for the cause of a slow cycle.
  log_min_duration_statement: '1000',
};

/**
 * PostgreSQL and its proxy. The functions reach the proxy only, over TLS, signed in by IAM from end to end: there is no
 * password of theirs to leak. The owner's password is generated, known to nobody, and read by the migrations alone,
 * which go to the database itself because a session of theirs (role, locks) would pin a connection of the proxy.
 */
export class ManagedDatabase extends Construct {
  readonly kind = 'managed';
  readonly ownerSecret: ISecret;
  /** What the service calls this database for its life and no other one ever. */
  readonly resourceId: string;
  readonly address: { readonly host: string; readonly port: string; readonly name: string; readonly user: string };
  private readonly proxy: DatabaseProxy;

  constructor(scope: Construct, id: string, props: ManagedDatabaseProps) {
    super(scope, id);
    const { network } = props;
    const { vpc } = network;
    // Handed on as groups that may not be changed: the library would add the same rules as below under names that depend
    // on the place in the tree, and EC2 refuses a rule that is there already.
    const group = (name: string, description: string): ISecurityGroup => {
      const { securityGroupId } = new SecurityGroup(this, name, { vpc, description, allowAllOutbound: false });
      return SecurityGroup.fromSecurityGroupId(this, `${name}AsIs`, securityGroupId, { mutable: false });
    };
    const databaseGroup = group('SecurityGroup', 'torghut database');
    const proxyGroup = group('ProxySecurityGroup', 'torghut database proxy');
    this.admit('ProxyFromFunctions', proxyGroup, network.functions);
    this.admit('DatabaseFromMigration', databaseGroup, network.migration);
    this.admit('DatabaseFromProxy', databaseGroup, proxyGroup);
    new CfnSecurityGroupEgress(this, 'ProxyToDatabase', {
      groupId: proxyGroup.securityGroupId,
      destinationSecurityGroupId: databaseGroup.securityGroupId,
      ipProtocol: 'tcp',
      fromPort: port,
      toPort: port,
      description: 'to the database',
    });

    const key = new Key(this, 'Key', {
      description: 'torghut database storage',
      enableKeyRotation: true,
      // A snapshot without its key is lost.
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const secret = new DatabaseSecret(this, 'OwnerSecret', { username: administrator, dbname: databaseName });
    secret.applyRemovalPolicy(RemovalPolicy.RETAIN);
    acknowledge(secret, 'ownerPassword');

    // Names that differ with every stack and stay for its life. With names of the service's choosing the log group
    // would exist, without an end to its retention, before a template could declare it.
    const identifier = `torghut-${Fn.select(0, Fn.split('-', Fn.select(2, Fn.split('/', Aws.STACK_ID))))}`;
    const log = new LogGroup(this, 'Log', {
      logGroupName: `/aws/rds/${props.size.engine === 'aurora' ? 'cluster' : 'instance'}/${identifier}/postgresql`,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const target = this.create(props, {
      identifier,
      key,
      // The library's class and interface disagree about optional properties.
      secret: secret as ISecret,
      securityGroup: databaseGroup,
    });
    target.node.addDependency(log);
    if (target.secret === undefined) throw new Error('expected the database to attach its owner secret, found none');
    this.ownerSecret = target.secret;
    const resourceId = target instanceof DatabaseCluster ? target.clusterResourceIdentifier : target.instanceResourceId;
    if (resourceId === undefined) throw new Error('expected the database to have a resource id, found none');
    this.resourceId = resourceId;

    const role = new Role(this, 'ProxyRole', { assumedBy: new ServicePrincipal('rds.amazonaws.com') });
    target.grantConnect(role, runtimeRole);
    this.proxy = new DatabaseProxy(this, 'Proxy', {
      dbProxyName: identifier,
      proxyTarget:
        target instanceof DatabaseCluster ? ProxyTarget.fromCluster(target) : ProxyTarget.fromInstance(target),
      vpc,
      vpcSubnets: network.databaseSubnets,
      securityGroups: [proxyGroup],
      role,
      requireTLS: true,
      defaultAuthScheme: DefaultAuthScheme.IAM_AUTH,
      // A function waits for a connection no longer than a tick leaves it time to work.
      borrowTimeout: Duration.seconds(5),
    });
    this.address = { host: this.proxy.endpoint, port: String(port), name: databaseName, user: runtimeRole };
    fixLogicalIds(this, stateLogicalIds.database);
  }

  /** May sign in to the proxy as the runtime role, and as no other. */
  grantConnect(grantee: IGrantable): void {
    this.proxy.grantConnect(grantee, runtimeRole);
  }

  private create(
    { network, size, standby, backupDays, deletionProtection }: ManagedDatabaseProps,
    own: {
      readonly identifier: string;
      readonly key: Key;
      readonly secret: ISecret;
      readonly securityGroup: ISecurityGroup;
    },
  ): DatabaseCluster | DatabaseInstance {
    const common = {
      vpc: network.vpc,
      vpcSubnets: network.databaseSubnets,
      securityGroups: [own.securityGroup],
      credentials: Credentials.fromSecret(own.secret),
      storageEncryptionKey: own.key,
      storageEncrypted: true,
      iamAuthentication: true,
      deletionProtection,
      removalPolicy: RemovalPolicy.SNAPSHOT,
      cloudwatchLogsExports: ['postgresql'],
    };
    const insights = { enablePerformanceInsights: true, performanceInsightEncryptionKey: own.key };
    // The authority whose certificates are in the list that the Lambda runtime carries.
    const caCertificate = CaCertificate.RDS_CA_RSA2048_G1;
    if (size.engine === 'rds') {
      const engine = DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17_7 });
      const instance = new DatabaseInstance(this, 'Instance', {
        ...common,
        ...insights,
        engine,
        parameterGroup: new ParameterGroup(this, 'Parameters', { engine, parameters }),
        instanceIdentifier: own.identifier,
        instanceType: new InstanceType(size.instanceType),
        allocatedStorage: size.storageGigabytes,
        maxAllocatedStorage: 2 * size.storageGigabytes,
        storageType: StorageType.GP3,
        databaseName,
        port,
        multiAz: standby,
        caCertificate,
        backupRetention: Duration.days(backupDays),
        deleteAutomatedBackups: false,
        copyTagsToSnapshot: true,
        autoMinorVersionUpgrade: true,
      });
      acknowledge(instance, 'databasePort', ...(standby ? [] : ['paperDatabase' as const]));
      return instance;
    }
    const engine = DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_17_7 });
    return new DatabaseCluster(this, 'Cluster', {
      ...common,
      engine,
      parameterGroup: new ParameterGroup(this, 'Parameters', { engine, parameters }),
      clusterIdentifier: own.identifier,
      writer: ClusterInstance.serverlessV2('Writer', { ...insights, caCertificate }),
      readers: standby
        ? [ClusterInstance.serverlessV2('Standby', { ...insights, caCertificate, scaleWithWriter: true })]
        : [],
      serverlessV2MinCapacity: size.minimumCapacity,
      serverlessV2MaxCapacity: size.maximumCapacity,
      defaultDatabaseName: databaseName,
      port,
      backup: { retention: Duration.days(backupDays) },
      copyTagsToSnapshot: true,
    });
  }

  private admit(id: string, group: ISecurityGroup, source: ISecurityGroup): void {
    new CfnSecurityGroupIngress(this, id, {
      groupId: group.securityGroupId,
      sourceSecurityGroupId: source.securityGroupId,
      ipProtocol: 'tcp',
      fromPort: port,
      toPort: port,
      description: id,
    });
  }
}
