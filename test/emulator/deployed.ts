import {
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ListStackResourcesCommand,
  type StackResourceSummary,
} from '@aws-sdk/client-cloudformation';
import type { AwsClients } from './aws.ts';

export interface DeployedResource {
  readonly stack: string;
  readonly logicalId: string;
  readonly type: string;
  readonly physicalId: string;
}

/** What CloudFormation says about the stacks of one environment. */
export interface DeployedStage {
  /** Names and states of its stacks that exist. */
  stacks(): Promise<readonly { readonly name: string; readonly status: string }[]>;
  resources(): Promise<readonly DeployedResource[]>;
  /** Physical id of a resource. @throws Error when no stack has it */
  physicalId(logicalId: string): Promise<string>;
  /** Value of the output whose name starts with this. @throws Error when no stack has it */
  output(name: string): Promise<string>;
  /** Reasons of the failures in the latest events of a stack, oldest first. */
  failures(stack: string): Promise<readonly string[]>;
}

const prefix = 'torghut-paper-';

export const deployedStage = ({ cloudFormation }: AwsClients): DeployedStage => {
  const describe = async () => {
    const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand());
    return Stacks.filter(
      ({ StackName = '', StackStatus }) => StackName.startsWith(prefix) && StackStatus !== 'DELETE_COMPLETE',
    );
  };

  const resourcesOf = async (stack: string): Promise<DeployedResource[]> => {
    const summaries: StackResourceSummary[] = [];
    let next: string | undefined;
    do {
      const page = await cloudFormation.send(
        new ListStackResourcesCommand({ StackName: stack, ...(next === undefined ? {} : { NextToken: next }) }),
      );
      summaries.push(...(page.StackResourceSummaries ?? []));
      next = page.NextToken;
    } while (next !== undefined);
    return summaries.map(({ LogicalResourceId = '', ResourceType = '', PhysicalResourceId = '' }) => ({
      stack,
      logicalId: LogicalResourceId,
      type: ResourceType,
      physicalId: PhysicalResourceId,
    }));
  };

  const resources = async () =>
    (await Promise.all((await describe()).map(({ StackName = '' }) => resourcesOf(StackName)))).flat();

  return {
    stacks: async () =>
      (await describe()).map(({ StackName = '', StackStatus = '' }) => ({ name: StackName, status: StackStatus })),
    resources,
    physicalId: async (logicalId) => {
      const all = await resources();
      const found = all.find((resource) => resource.logicalId === logicalId);
      if (found === undefined)
        throw new Error(
          `expected a resource ${logicalId} in a stack ${prefix}*, found none among ${all.length} resources`,
        );
      return found.physicalId;
    },
    output: async (name) => {
      const outputs = (await describe()).flatMap(({ Outputs = [] }) => Outputs);
      const found = outputs.find(({ OutputKey = '' }) => OutputKey.startsWith(name))?.OutputValue;
      if (found === undefined) throw new Error(`expected an output ${name} of a stack ${prefix}*, found none`);
      return found;
    },
    failures: async (stack) => {
      const { StackEvents = [] } = await cloudFormation.send(new DescribeStackEventsCommand({ StackName: stack }));
      return StackEvents.filter(({ ResourceStatus = '' }) => ResourceStatus.endsWith('_FAILED'))
        .map(({ LogicalResourceId = '', ResourceStatusReason = '' }) => `${LogicalResourceId}: ${ResourceStatusReason}`)
        .reverse();
    },
  };
};
