import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { ListSchedulesCommand } from '@aws-sdk/client-scheduler';
import { ListSecretsCommand } from '@aws-sdk/client-secrets-manager';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
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

/** What exists of each type that can be listed, by the physical id that CloudFormation gives it. */
const existing: Readonly<Record<string, (aws: AwsClients) => Promise<readonly (string | undefined)[]>>> = {
  'AWS::Lambda::Function': async ({ lambda }) =>
    ((await lambda.send(new ListFunctionsCommand())).Functions ?? []).map(({ FunctionName }) => FunctionName),
  'AWS::SQS::Queue': async ({ sqs }) => (await sqs.send(new ListQueuesCommand())).QueueUrls ?? [],
  'AWS::SecretsManager::Secret': async ({ secrets }) =>
    ((await secrets.send(new ListSecretsCommand({ MaxResults: 100 }))).SecretList ?? []).map(({ ARN }) => ARN),
  'AWS::S3::Bucket': async ({ s3 }) =>
    ((await s3.send(new ListBucketsCommand())).Buckets ?? []).map(({ Name }) => Name),
  'AWS::Scheduler::Schedule': async ({ scheduler }) =>
    ((await scheduler.send(new ListSchedulesCommand())).Schedules ?? []).map(({ Name }) => Name),
  'AWS::Logs::LogGroup': async ({ logs }) =>
    ((await logs.send(new DescribeLogGroupsCommand())).logGroups ?? []).map(({ logGroupName }) => logGroupName),
  'AWS::CloudWatch::Alarm': async ({ cloudWatch }) =>
    ((await cloudWatch.send(new DescribeAlarmsCommand({ MaxRecords: 100 }))).MetricAlarms ?? []).map(
      ({ AlarmName }) => AlarmName,
    ),
};

const countsByType = (resources: readonly DeployedResource[]): string =>
  [...Map.groupBy(resources, ({ type }) => type)].map(([type, { length }]) => `${length} ${type}`).join(', ');

export const destructionClaims = ({ aws, cdk, stage, assembly, report }: Emulation): readonly Claim[] => [
  {
    title: 'cdk destroy leaves the retained state and nothing else',
    prove: async () => {
      const before = await stage.resources();
      const wanted = await retainedIds(assembly);
      succeeded('cdk destroy', await cdk.destroy(assembly, allStacks));
      const stacks = await stage.stacks();
      require(stacks.length === 0, 'no stack', stacks);

      const misplaced: string[] = [];
      for (const [type, list] of Object.entries(existing)) {
        const left = new Set(await list(aws));
        for (const resource of before.filter((one) => one.type === type)) {
          const kept = left.has(resource.physicalId);
          if (kept !== wanted.has(resource.logicalId))
            misplaced.push(`${type} ${resource.logicalId} is ${kept ? 'left' : 'gone'}`);
        }
      }
      require(misplaced.length === 0, 'exactly the retained resources left', misplaced);
      const retained = before.filter(({ logicalId }) => wanted.has(logicalId));
      report.figure(
        'retained',
        retained.map(({ type, logicalId }) => `${type} ${logicalId}`),
      );
      return `left are ${countsByType(retained)}`;
    },
  },
];
