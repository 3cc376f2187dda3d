import { Fn, Stack, type StackProps } from 'aws-cdk-lib';
import { SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';

import type { Settings } from '../config.ts';
import { acknowledge } from '../constructs/acknowledgements.ts';
import { type Network, newVpc, Placement } from '../constructs/network.ts';

export interface NetworkStackProps extends StackProps {
  readonly settings: Settings;
}

/** The network that functions and database share: a new one, or one that is there already. */
export class NetworkStack extends Stack {
  readonly network: Network;

  constructor(scope: Construct, id: string, props: NetworkStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const functionSubnets = { subnetType: SubnetType.PRIVATE_WITH_EGRESS };
    if (settings.network === 'existing') {
      const { vpcId, availabilityZones, privateSubnetIds, vpcCidr } = settings;
      if (vpcId === undefined || availabilityZones === undefined || privateSubnetIds === undefined)
        throw new Error(
          'expected settings that describe the existing network, found none; read them with readSettings',
        );
      const vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
        vpcId,
        availabilityZones,
        privateSubnetIds,
        ...(vpcCidr === undefined ? {} : { vpcCidrBlock: vpcCidr }),
      });
      acknowledge(vpc, 'existingSubnets');
      this.network = new Placement(this, 'Placement', { vpc, functionSubnets, databaseSubnets: functionSubnets });
      return;
    }
    const vpc = newVpc(this, 'Vpc', {
      ...(settings.vpcCidr === undefined ? {} : { cidr: settings.vpcCidr }),
      natGateways: settings.natGateways,
      logRetention: settings.logRetentionDays,
    });
    this.network = new Placement(this, 'Placement', {
      vpc,
      functionSubnets,
      databaseSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
    });
  }

  /** Named by place, resolved at deployment: with an account and a region given the library would look them up. */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }
}
