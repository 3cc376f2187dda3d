import { DescribeStacksCommand, ListStackResourcesCommand, type Stack } from '@aws-sdk/client-cloudformation';
import type { Instant } from '@torghut/domain';
import { ask, type AwsClients } from './aws.ts';
import { Unanswered } from './check.ts';

export interface DeployedResource {
  readonly logicalId: string;
  readonly type: string;
  readonly physicalId: string;
}

export interface DeployedStack {
  /** Its name without the prefix: `runtime`. */
  readonly part: string;
  readonly status: string;
  readonly statusReason: string | null;
  /** When it was created or last changed. */
  readonly changedAt: Instant | null;
  readonly outputs: Readonly<Record<string, string>>;
  readonly resources: readonly DeployedResource[];
}

/** The stacks of one environment as CloudFormation knows them. */
export interface Deployment {
  readonly prefix: string;
  readonly region: string;
  readonly stacks: readonly DeployedStack[];
}

/** Without these parts an environment is not deployed. A network of its own is a matter of its settings. */
export const requiredParts = ['state', 'runtime', 'operator', 'observability', 'promotion'] as const;
export type RequiredPart = (typeof requiredParts)[number];

export const partOf = ({ stacks }: Deployment, part: RequiredPart): DeployedStack | undefined =>
  stacks.find((stack) => stack.part === part);

/** Every resource with the logical id of one part of the deployment. */
export const resourceOf = (deployment: Deployment, part: RequiredPart, logicalId: string) =>
  partOf(deployment, part)?.resources.find((resource) => resource.logicalId === logicalId);

const mostPages = 100;

/**
 * Every item of a paginated answer.
 * @throws Unanswered after more pages than any deployment has
 */
const everyPage = async <Item>(
  question: string,
  page: (token: string | undefined) => Promise<{ readonly items: readonly Item[]; readonly next: string | undefined }>,
): Promise<readonly Item[]> => {
  const found: Item[] = [];
  let token: string | undefined;
  for (let pages = 0; pages < mostPages; pages += 1) {
    const { items, next } = await ask(question, () => page(token));
    found.push(...items);
    if (next === undefined || next === '') return found;
    token = next;
  }
  throw new Unanswered(`${question}: expected at most ${mostPages} pages, found more`);
};

const resourcesOf = async ({ cloudFormation }: AwsClients, stackName: string): Promise<readonly DeployedResource[]> => {
  const listed = await everyPage(`cloudformation:ListStackResources of ${stackName}`, async (token) => {
    const answer = await cloudFormation.send(
      new ListStackResourcesCommand({ StackName: stackName, ...(token === undefined ? {} : { NextToken: token }) }),
    );
    return { items: answer.StackResourceSummaries ?? [], next: answer.NextToken };
  });
  return listed.map(({ LogicalResourceId, ResourceType, PhysicalResourceId }) => ({
    logicalId: LogicalResourceId ?? '',
    type: ResourceType ?? '',
    physicalId: PhysicalResourceId ?? '',
  }));
};

const deployedStack = async (aws: AwsClients, prefix: string, stack: Stack): Promise<DeployedStack> => {
  const name = stack.StackName ?? '';
  return {
    part: name.slice(prefix.length),
    status: stack.StackStatus ?? 'without a status',
    // Some endpoints say nothing by an empty text.
    statusReason: stack.StackStatusReason === '' ? null : (stack.StackStatusReason ?? null),
    changedAt: (stack.LastUpdatedTime ?? stack.CreationTime)?.getTime() ?? null,
    outputs: Object.fromEntries(
      (stack.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey ?? '', OutputValue ?? '']),
    ),
    resources: await resourcesOf(aws, name),
  };
};

/**
 * Finds the stacks whose names begin with the prefix.
 * @throws Unanswered when CloudFormation cannot be asked or knows no such stack
 */
export const findDeployment = async (aws: AwsClients, prefix: string): Promise<Deployment> => {
  const region = await ask('the region', () => aws.cloudFormation.config.region());
  const stacks = await everyPage('cloudformation:DescribeStacks', async (token) => {
    const answer = await aws.cloudFormation.send(
      new DescribeStacksCommand(token === undefined ? {} : { NextToken: token }),
    );
    return { items: answer.Stacks ?? [], next: answer.NextToken };
  });
  const ours = stacks.filter(({ StackName }) => StackName?.startsWith(prefix) === true);
  if (ours.length === 0) {
    throw new Unanswered(
      `expected stacks named ${prefix}*, found none of that name among ${stacks.length} in ${region}; ` +
        'check --environment, --region and --stack-prefix',
    );
  }
  return { prefix, region, stacks: await Promise.all(ours.map((stack) => deployedStack(aws, prefix, stack))) };
};
