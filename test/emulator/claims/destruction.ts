import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch';
import { paginateDescribeLogGroups } from '@aws-sdk/client-cloudwatch-logs';
import { paginateListRoles } from '@aws-sdk/client-iam';
import { DescribeKeyCommand, paginateListKeys } from '@aws-sdk/client-kms';
import { paginateListEventSourceMappings, paginateListFunctions, paginateListLayers } from '@aws-sdk/client-lambda';
import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { paginateListSchedules } from '@aws-sdk/client-scheduler';
import { paginateListSecrets } from '@aws-sdk/client-secrets-manager';
import { paginateListTopics } from '@aws-sdk/client-sns';
import { paginateListQueues } from '@aws-sdk/client-sqs';
import * as z from 'zod';
import type { AwsClients } from '../aws.ts';
import { type Claim, require } from '../claim.ts';
import type { DeployedResource } from '../deployed.ts';
import { allStacks, type Emulation, succeeded } from '../emulation.ts';

const templateSchema = z.object({
  Resources: z.record(z.string(), z.object({ DeletionPolicy: z.string().optional() })),
});

/** Logical ids that the templates want kept when their stack goes. */
const retainedIds = async (assembly: string): Promise<ReadonlySet<string>> => {
  const files = (await readdir(assembly, { recursive: true })).filter((file) => file.endsWith('.template.json'));
  const templates = await Promise.all(
    files.map(async (file) => templateSchema.parse(JSON.parse(await readFile(join(assembly, file), 'utf8')))),
  );
  return new Set(
    templates.flatMap(({ Resources }) =>
      Object.entries(Resources)
        .filter(([, { DeletionPolicy }]) => DeletionPolicy?.startsWith('Retain'))
        .map(([logicalId]) => logicalId),
    ),
  );
};

const all = async <Page, Item>(
  pages: AsyncIterable<Page>,
  itemsOf: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> => {
  const items: Item[] = [];
  for await (const page of pages) items.push(...(itemsOf(page) ?? []));
  return items;
};

/** A key that is to be deleted can still be described. */
const keysInUse = async ({ kms }: AwsClients): Promise<string[]> => {
  const keys = await all(paginateListKeys({ client: kms }, {}), ({ Keys }) => Keys);
  const described = await Promise.all(
    keys.map(async ({ KeyId }) => (await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata),
  );
  return described.flatMap((key) => (key?.KeyState === 'PendingDeletion' ? [] : (key?.KeyId ?? [])));
};

/** What exists of each type that can be listed, by the physical id that CloudFormation gives it. */
const existing: Readonly<Record<string, (aws: AwsClients) => Promise<readonly (string | undefined)[]>>> = {
  'AWS::Lambda::Function': async ({ lambda: client }) =>
    (await all(paginateListFunctions({ client }, {}), ({ Functions }) => Functions)).map((one) => one.FunctionName),
  'AWS::Lambda::EventSourceMapping': async ({ lambda: client }) =>
    (await all(paginateListEventSourceMappings({ client }, {}), (page) => page.EventSourceMappings)).map(
      ({ UUID }) => UUID,
    ),
  'AWS::Lambda::LayerVersion': async ({ lambda: client }) =>
    (await all(paginateListLayers({ client }, {}), ({ Layers }) => Layers)).map(
      ({ LatestMatchingVersion }) => LatestMatchingVersion?.LayerVersionArn,
    ),
  'AWS::SQS::Queue': ({ sqs: client }) => all(paginateListQueues({ client }, {}), ({ QueueUrls }) => QueueUrls),
  'AWS::SecretsManager::Secret': async ({ secrets: client }) =>
    (await all(paginateListSecrets({ client }, {}), ({ SecretList }) => SecretList)).map(({ ARN }) => ARN),
  'AWS::S3::Bucket': async ({ s3 }) =>
    ((await s3.send(new ListBucketsCommand())).Buckets ?? []).map(({ Name }) => Name),
  'AWS::KMS::Key': keysInUse,
  'AWS::SNS::Topic': async ({ sns: client }) =>
    (await all(paginateListTopics({ client }, {}), ({ Topics }) => Topics)).map(({ TopicArn }) => TopicArn),
  'AWS::IAM::Role': async ({ iam: client }) =>
    (await all(paginateListRoles({ client }, {}), ({ Roles }) => Roles)).map(({ RoleName }) => RoleName),
  'AWS::Scheduler::Schedule': async ({ scheduler: client }) =>
    (await all(paginateListSchedules({ client }, {}), ({ Schedules }) => Schedules)).map(({ Name }) => Name),
  'AWS::Logs::LogGroup': async ({ logs: client }) =>
    (await all(paginateDescribeLogGroups({ client }, {}), ({ logGroups }) => logGroups)).map(
      ({ logGroupName }) => logGroupName,
    ),
  'AWS::CloudWatch::Alarm': async ({ cloudWatch: client }) =>
    (await all(paginateDescribeAlarms({ client }, {}), ({ MetricAlarms }) => MetricAlarms)).map(
      ({ AlarmName }) => AlarmName,
    ),
};

/** Queues go by their path: the host of a queue's URL depends on who asks. */
const identity = (type: string, id: string): string => (type === 'AWS::SQS::Queue' ? new URL(id).pathname : id);

/** The resources that exist, of the types that can be listed. */
const found = async (aws: AwsClients, resources: readonly DeployedResource[]): Promise<readonly DeployedResource[]> => {
  const kept: DeployedResource[] = [];
  for (const [type, list] of Object.entries(existing)) {
    const listed = new Set((await list(aws)).flatMap((id) => (id === undefined ? [] : [identity(type, id)])));
    kept.push(...resources.filter((one) => one.type === type && listed.has(identity(type, one.physicalId))));
  }
  return kept;
};

const countsByType = (resources: readonly DeployedResource[]): string =>
  [...Map.groupBy(resources, ({ type }) => type)].map(([type, { length }]) => `${length} ${type}`).join(', ');

export const destructionClaims = ({ aws, cdk, stage, assembly, report }: Emulation): readonly Claim[] => [
  {
    title: 'cdk destroy leaves the retained state and nothing else',
    prove: async () => {
      const before = (await stage.resources()).filter(({ type }) => type in existing);
      const standing = await found(aws, before);
      const unseen = before.filter((resource) => !standing.includes(resource));
      require(unseen.length === 0, 'to find everything before it is destroyed', unseen);
      const wanted = await retainedIds(assembly);
      succeeded('cdk destroy', await cdk.destroy(assembly, allStacks));
      const stacks = await stage.stacks();
      require(stacks.length === 0, 'no stack', stacks);

      const retained = await found(aws, before);
      const misplaced = before
        .filter((resource) => retained.includes(resource) !== wanted.has(resource.logicalId))
        .map(
          (resource) => `${resource.type} ${resource.logicalId} is ${retained.includes(resource) ? 'left' : 'gone'}`,
        );
      require(misplaced.length === 0, 'exactly the retained resources left', misplaced);
      report.figure(
        'retained',
        retained.map(({ type, logicalId }) => `${type} ${logicalId}`),
      );
      return `of ${before.length} resources of ${Object.keys(existing).length} types, left are ${countsByType(retained)}`;
    },
  },
];
