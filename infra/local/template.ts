import { type FunctionName, functionNames, type QueueName, queues, secretKeys } from '@torghut/domain/contract';
import * as z from 'zod';

import {
  deadLetterLogicalId,
  functionLogicalId,
  researchLaneLogicalId,
  secretLogicalId,
  type SecretName,
  stateLogicalIds,
  undeliveredQueues,
} from '../constructs/logical-id.ts';
import { readDefinition, type StateMachineDefinition } from './aws/state-machine.ts';
import { readTemplates, type Resolve, resolverOf, type Template } from './cloud-assembly.ts';
import {
  eventSourceProperties,
  functionProperties,
  invokeConfigProperties,
  irrelevantTypes,
  migrationProperties,
  queueProperties,
  scheduleProperties,
  stateMachineProperties,
} from './template-properties.ts';

/**
 * What the synthesized templates declare about functions, queues and schedules, for the one-machine deployment: what
 * runs here is what is deployed. Whatever the reader does not understand is an error, so that a new property of a
 * resource cannot silently mean nothing here.
 */
export interface Deployment {
  /** SHA-256 of the domain layer, 64 hex. */
  readonly codeHash: string;
  readonly functions: Readonly<Record<FunctionName, DeployedFunction>>;
  readonly queues: Readonly<Record<DeployedQueueName, DeployedQueue>>;
  readonly eventSources: readonly EventSource[];
  readonly schedules: readonly DeployedSchedule[];
  /** What takes research runs from step to step. */
  readonly researchLane: StateMachineDefinition;
  /** The function that brings the ledger up to the release, before any other function of it. */
  readonly migration: FunctionName;
}

export interface DeployedFunction {
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  readonly reservedConcurrency: number | null;
  /** Variables whose value is in the template. */
  readonly environment: Readonly<Record<string, string>>;
  /** Variables that carry a queue's URL, and whose. */
  readonly queueUrls: Readonly<Record<string, DeployedQueueName>>;
  /** Variables that carry a secret's ARN, and whose. */
  readonly secrets: Readonly<Record<string, SecretName>>;
  /** What happens to a failed asynchronous invocation. */
  readonly asynchronous: {
    readonly retries: number;
    readonly maxEventAgeSeconds: number;
    readonly deadLetter: DeployedQueueName | null;
  };
}

/** A queue of the contract, its dead-letter queue, or one for what no queue delivers. */
export type DeployedQueueName = QueueName | `${QueueName}DeadLetter` | keyof typeof undeliveredQueues;

export interface DeployedQueue {
  readonly fifo: boolean;
  readonly contentBasedDeduplication: boolean;
  readonly visibilityTimeoutSeconds: number;
  readonly delaySeconds: number;
  readonly retentionSeconds: number;
  readonly deadLetter: { readonly queue: DeployedQueueName; readonly maxReceiveCount: number } | null;
}

export interface EventSource {
  readonly function: FunctionName;
  readonly queue: DeployedQueueName;
  readonly batchSize: number;
  readonly maximumConcurrency: number | null;
  readonly reportBatchItemFailures: boolean;
}

export interface DeployedSchedule {
  readonly function: FunctionName;
  /** Whether the state machine is started whose steps the function holds, instead of the function itself. */
  readonly throughStateMachine: boolean;
  readonly expression: string;
  readonly timezone: string;
  readonly retries: number;
  readonly maxEventAgeSeconds: number;
  readonly deadLetter: DeployedQueueName;
  /** JSON text with the service's own placeholders, such as `<aws.scheduler.scheduled-time>`. */
  readonly input: string;
}

const invert = <Name extends string>(names: readonly Name[], idOf: (name: Name) => string): ReadonlyMap<string, Name> =>
  new Map(names.map((name) => [idOf(name), name]));

const keysOf = <Key extends string>(record: Readonly<Record<Key, unknown>>): readonly Key[] =>
  Object.keys(record) as Key[];

const functionsById = invert(functionNames, functionLogicalId);
const secretsById = invert(keysOf(secretKeys), secretLogicalId);
const queuesById: ReadonlyMap<string, DeployedQueueName> = new Map<string, DeployedQueueName>([
  ...invert(keysOf(queues), (name) => queues[name].logicalId),
  ...keysOf(queues).map((name) => [deadLetterLogicalId(queues[name].logicalId), `${name}DeadLetter`] as const),
  ...invert(keysOf(undeliveredQueues), (name) => undeliveredQueues[name]),
]);

const machinesById = new Map<string, 'researchLane'>([[researchLaneLogicalId, 'researchLane']]);

const nameIn = <Name>(names: ReadonlyMap<string, Name>, what: string, logicalId: string): Name => {
  const name = names.get(logicalId);
  if (name !== undefined) return name;
  throw new Error(`${logicalId}: expected one of the ${what} ${[...names.keys()].join(', ')}`);
};

interface Resource {
  readonly logicalId: string;
  readonly type: string;
  readonly properties: unknown;
}

const parseProperties = <T>(schema: z.ZodType<T>, resource: Resource): T => {
  const parsed = schema.safeParse(resource.properties);
  if (parsed.success) return parsed.data;
  throw new Error(
    `${resource.logicalId} (${resource.type}): the template says something the one-machine deployment does not understand: ` +
      `${z.prettifyError(parsed.error)}\nteach it to infra/local/template-properties.ts`,
  );
};

type Environment = Pick<DeployedFunction, 'environment' | 'queueUrls' | 'secrets'>;

const readEnvironment = (variables: Readonly<Record<string, unknown>>, resolve: Resolve): Environment => {
  const environment: Record<string, string> = {};
  const queueUrls: Record<string, DeployedQueueName> = {};
  const secrets: Record<string, SecretName> = {};
  for (const [key, value] of Object.entries(variables)) {
    if (typeof value === 'string') {
      environment[key] = value;
      continue;
    }
    const logicalId = resolve(value);
    // There is one store of evidence on a machine, and one key; their names are those in the template.
    if (logicalId === stateLogicalIds.evidence || logicalId === stateLogicalIds.signingKey) {
      environment[key] = logicalId;
      continue;
    }
    const secret = secretsById.get(logicalId);
    if (secret === undefined) queueUrls[key] = nameIn(queuesById, 'queues and secrets', logicalId);
    else secrets[key] = secret;
  }
  return { environment, queueUrls, secrets };
};

/** All resources of the types that matter; an unknown type is an error. */
const relevantResources = (
  templates: readonly Template[],
  readers: Readonly<Record<string, unknown>>,
): readonly Resource[] => {
  const resources = templates
    .flatMap((template) => Object.entries(template.Resources))
    .map(([logicalId, { Type, Properties }]) => ({ logicalId, type: Type, properties: Properties }))
    .filter(({ type }) => !irrelevantTypes.has(type));
  const unknown = resources.find(({ type }) => !(type in readers));
  if (unknown === undefined) return resources;
  throw new Error(
    `${unknown.logicalId}: expected a resource type the one-machine deployment knows, found ${unknown.type}; ` +
      `read it in infra/local/template.ts, or list it as irrelevant in infra/local/template-properties.ts`,
  );
};

const readCodeHash = (functions: Readonly<Record<FunctionName, DeployedFunction>>): string => {
  const hashes = [...new Set(functionNames.map((name) => functions[name].environment['TORGHUT_CODE_HASH']))];
  const [codeHash] = hashes;
  if (hashes.length === 1 && codeHash !== undefined && /^[0-9a-f]{64}$/.test(codeHash)) return codeHash;
  throw new Error(`TORGHUT_CODE_HASH: expected one SHA-256 (64 hex) on all functions, found ${JSON.stringify(hashes)}`);
};

/** @throws Error naming the first name that has no entry */
const complete = <Name extends string, T>(
  names: Iterable<Name>,
  found: ReadonlyMap<Name, T>,
  what: string,
): Record<Name, T> => {
  const missing = [...names].find((name) => !found.has(name));
  if (missing !== undefined) throw new Error(`expected the template to declare the ${what} ${missing}, found none`);
  return Object.fromEntries(found) as Record<Name, T>;
};

/**
 * Reads one environment of a synthesized cloud assembly.
 * @param assembly directory that `cdk synth` or `synthesize` wrote
 * @throws Error naming the resource that is missing, unknown or says something not understood
 */
export const readTemplate = (assembly: string, environment: string): Deployment => {
  const templates = readTemplates(assembly, environment);
  const resolve = resolverOf(templates);
  const functionOf = (value: unknown): FunctionName => nameIn(functionsById, 'functions', resolve(value));
  const queueOf = (value: unknown): DeployedQueueName => nameIn(queuesById, 'queues', resolve(value));

  const functions = new Map<FunctionName, Omit<DeployedFunction, 'asynchronous'>>();
  const asynchronous = new Map<FunctionName, DeployedFunction['asynchronous']>();
  const deployedQueues = new Map<DeployedQueueName, DeployedQueue>();
  const eventSources: EventSource[] = [];
  const schedules: DeployedSchedule[] = [];
  const migrations = new Map<'migration', FunctionName>();
  const machines = new Map<'researchLane', StateMachineDefinition>();

  const readers: Readonly<Record<string, (resource: Resource) => void>> = {
    'AWS::Lambda::Function': (resource) => {
      const properties = parseProperties(functionProperties, resource);
      functions.set(nameIn(functionsById, 'functions', resource.logicalId), {
        timeoutSeconds: properties.Timeout,
        memoryMegabytes: properties.MemorySize,
        reservedConcurrency: properties.ReservedConcurrentExecutions ?? null,
        ...readEnvironment(properties.Environment.Variables, resolve),
      });
    },
    'AWS::Lambda::EventInvokeConfig': (resource) => {
      const properties = parseProperties(invokeConfigProperties, resource);
      const onFailure = properties.DestinationConfig?.OnFailure.Destination;
      asynchronous.set(functionOf(properties.FunctionName), {
        retries: properties.MaximumRetryAttempts,
        maxEventAgeSeconds: properties.MaximumEventAgeInSeconds,
        deadLetter: onFailure === undefined ? null : queueOf(onFailure),
      });
    },
    'AWS::SQS::Queue': (resource) => {
      const properties = parseProperties(queueProperties, resource);
      const redrive = properties.RedrivePolicy;
      deployedQueues.set(nameIn(queuesById, 'queues', resource.logicalId), {
        fifo: properties.FifoQueue,
        contentBasedDeduplication: properties.ContentBasedDeduplication,
        visibilityTimeoutSeconds: properties.VisibilityTimeout,
        delaySeconds: properties.DelaySeconds,
        retentionSeconds: properties.MessageRetentionPeriod,
        deadLetter:
          redrive === undefined
            ? null
            : { queue: queueOf(redrive.deadLetterTargetArn), maxReceiveCount: redrive.maxReceiveCount },
      });
    },
    'AWS::Lambda::EventSourceMapping': (resource) => {
      const properties = parseProperties(eventSourceProperties, resource);
      eventSources.push({
        function: functionOf(properties.FunctionName),
        queue: queueOf(properties.EventSourceArn),
        batchSize: properties.BatchSize,
        maximumConcurrency: properties.ScalingConfig?.MaximumConcurrency ?? null,
        reportBatchItemFailures: properties.FunctionResponseTypes.length > 0,
      });
    },
    'Custom::LedgerMigration': (resource) => {
      migrations.set('migration', functionOf(parseProperties(migrationProperties, resource).ServiceToken));
    },
    'AWS::StepFunctions::StateMachine': (resource) => {
      const properties = parseProperties(stateMachineProperties, resource);
      const [, parts] = properties.DefinitionString['Fn::Join'];
      // In place of a function's ARN stands its name.
      const text = parts.map((part) => (typeof part === 'string' ? part : functionOf(part))).join('');
      machines.set(
        nameIn(machinesById, 'state machines', resource.logicalId),
        readDefinition(resource.logicalId, text),
      );
    },
    'AWS::Scheduler::Schedule': (resource) => {
      const properties = parseProperties(scheduleProperties, resource);
      const target = resolve(properties.Target.Arn);
      const throughStateMachine = target === researchLaneLogicalId;
      schedules.push({
        function: throughStateMachine ? 'research-lane' : functionOf(properties.Target.Arn),
        throughStateMachine,
        expression: properties.ScheduleExpression,
        timezone: properties.ScheduleExpressionTimezone,
        retries: properties.Target.RetryPolicy.MaximumRetryAttempts,
        maxEventAgeSeconds: properties.Target.RetryPolicy.MaximumEventAgeInSeconds,
        deadLetter: queueOf(properties.Target.DeadLetterConfig.Arn),
        input: properties.Target.Input,
      });
    },
  };
  for (const resource of relevantResources(templates, readers)) readers[resource.type]?.(resource);

  const policies = complete(functionNames, asynchronous, 'asynchronous invocation of');
  const declared = complete(functionNames, functions, 'function');
  const deployed = Object.fromEntries(
    functionNames.map((name) => [name, { ...declared[name], asynchronous: policies[name] }]),
  ) as Record<FunctionName, DeployedFunction>;
  return {
    codeHash: readCodeHash(deployed),
    functions: deployed,
    queues: complete(queuesById.values(), deployedQueues, 'queue'),
    eventSources,
    schedules,
    ...complete(['researchLane'], machines, 'state machine'),
    ...complete(['migration'], migrations, 'custom resource'),
  };
};
