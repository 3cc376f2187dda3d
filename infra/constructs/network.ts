import { CfnResource, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  FlowLogDestination,
  GatewayVpcEndpointAwsService,
  IpAddresses,
  type ISecurityGroup,
  type IVpc,
  SecurityGroup,
  type SubnetSelection,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { fixLogicalIds } from './fixed-logical-ids.ts';
import { stateLogicalIds } from './logical-id.ts';

/** Where functions and a database of our own live. */
export interface Network {
  readonly vpc: IVpc;
  /** Private subnets with a way out. */
  readonly functionSubnets: SubnetSelection;
  readonly databaseSubnets: SubnetSelection;
  /** Of every function but the one that migrates. */
  readonly functions: ISecurityGroup;
  /** Of the function that migrates: it alone reaches the database behind the proxy. */
  readonly migration: ISecurityGroup;
}

export interface NewVpcProps {
  readonly cidr?: string;
  /** One or two. */
  readonly natGateways: number;
  readonly logRetention: RetentionDays;
}

/**
 * What closes the default security group is a function of the library (CloudFormation cannot remove rules it did not
 * make). Without a log group of ours its log would never end.
 */
const endLogOfProvider = (vpc: Vpc, logs: LogGroup): void => {
  const provider = Stack.of(vpc).node.findChild('Custom::VpcRestrictDefaultSGCustomResourceProvider');
  const handler = provider.node.findChild('Handler');
  if (!CfnResource.isCfnResource(handler)) throw new Error(`${handler.node.path}: expected the resource of a function`);
  handler.addPropertyOverride('LoggingConfig', { LogGroup: logs.logGroupName });
};

/** A VPC with its traffic logged: functions leave it through NAT, the database cannot leave it at all. */
export const newVpc = (scope: Construct, id: string, props: NewVpcProps): IVpc => {
  const log = (name: string): LogGroup =>
    new LogGroup(scope, `${id}${name}Logs`, {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
  const subnet = (name: string, subnetType: SubnetType) => ({ name, subnetType, cidrMask: 22 });
  const vpc = new Vpc(scope, id, {
    ...(props.cidr === undefined ? {} : { ipAddresses: IpAddresses.cidr(props.cidr) }),
    // Two zones whatever else is set, and room for a third: with another number of zones the subnets would get other
    // ranges, and one that functions or a database live in cannot be replaced.
    maxAzs: 2,
    reservedAzs: 1,
    natGateways: props.natGateways,
    subnetConfiguration: [
      // For the NAT gateways; nothing of ours has a public address.
      { ...subnet('Public', SubnetType.PUBLIC), mapPublicIpOnLaunch: false },
      subnet('Functions', SubnetType.PRIVATE_WITH_EGRESS),
      subnet('Database', SubnetType.PRIVATE_ISOLATED),
    ],
    gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
    flowLogs: { All: { destination: FlowLogDestination.toCloudWatchLogs(log('Flow')) } },
    restrictDefaultSecurityGroup: true,
  });
  endLogOfProvider(vpc, log('DefaultSecurityGroup'));
  fixLogicalIds(vpc, stateLogicalIds.network);
  // The library's class and interface disagree about optional properties.
  return vpc as IVpc;
};

/** The security groups of a VPC, and which subnets are for what. */
export class Placement extends Construct implements Network {
  readonly vpc: IVpc;
  readonly functionSubnets: SubnetSelection;
  readonly databaseSubnets: SubnetSelection;
  readonly functions: SecurityGroup;
  readonly migration: SecurityGroup;

  constructor(scope: Construct, id: string, props: Pick<Network, 'vpc' | 'functionSubnets' | 'databaseSubnets'>) {
    super(scope, id);
    this.vpc = props.vpc;
    this.functionSubnets = props.functionSubnets;
    this.databaseSubnets = props.databaseSubnets;
    this.functions = this.group('functionsSecurityGroup', 'torghut functions');
    this.migration = this.group('migrationSecurityGroup', 'torghut migration');
  }

  private group(name: 'functionsSecurityGroup' | 'migrationSecurityGroup', description: string): SecurityGroup {
    const logicalId = stateLogicalIds[name];
    const group = new SecurityGroup(this, logicalId, { vpc: this.vpc, description, allowAllOutbound: true });
    fixLogicalIds(group, logicalId);
    return group;
  }
}
