import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { functionNames, type Instant, second } from '@torghut/domain';
import { deadLetterQueues } from '../../../infra/cli/verify-deployment/checks/dead-letters.ts';
import { functionLogicalId } from '../../../infra/constructs/logical-id.ts';
import { startAwsEndpoint } from '../../../infra/local/aws/endpoint.ts';
import { EventLog } from '../../../infra/local/aws/events.ts';
import { openLocalDatabase } from '../../../infra/local/aws/local-database.ts';
import { QueueEngine } from '../../../infra/local/aws/queue-engine.ts';
import { SecretStore } from '../../../infra/local/aws/secrets.ts';
import { ReplayClock } from '../../../infra/local/clock.ts';
import { queueSettings, startAt } from '../../support/local-aws.ts';

export interface CloudStack {
  readonly name: string;
  readonly status: string;
  readonly statusReason?: string;
  readonly changedAt: Instant;
  readonly outputs: Readonly<Record<string, string>>;
  readonly resources: readonly { readonly logicalId: string; readonly type: string; readonly physicalId: string }[];
}

/** What the services outside this machine know; a test changes it. */
export interface CloudState {
  stacks: readonly CloudStack[];
  /** Code hash in the environment of a function, by its physical name. */
  codeHashes: Map<string, string>;
  /** Times of data points by metric. */
  dataPoints: Map<string, readonly Instant[]>;
  alarms: readonly { readonly name: string; readonly state: string; readonly description: string }[];
  /** Operations that are refused, with the code of the refusal. */
  readonly refused: Map<string, string>;
}

export interface Cloud {
  readonly url: string;
  readonly state: CloudState;
  readonly queues: QueueEngine;
  stop(): Promise<void>;
}

const codeHash = 'c'.repeat(64);
export const deployedAt = Date.parse('2026-02-13T14:00:00.000Z');
export const prefix = 'torghut-paper-';

/** A deployment as it should be. */
const healthyState = (apiUrl: string, queueUrl: (name: string) => string): CloudState => {
  const stack = (
    part: string,
    resources: CloudStack['resources'] = [],
    outputs: Readonly<Record<string, string>> = {},
  ) => ({ name: `${prefix}${part}`, status: 'UPDATE_COMPLETE', changedAt: deployedAt, outputs, resources });
  return {
    stacks: [
      { ...stack('runtime'), name: 'somebody-else' },
      stack(
        'state',
        deadLetterQueues.map((logicalId) => ({ logicalId, type: 'AWS::SQS::Queue', physicalId: queueUrl(logicalId) })),
      ),
      stack(
        'runtime',
        functionNames.map((name) => ({
          logicalId: functionLogicalId(name),
          type: 'AWS::Lambda::Function',
          physicalId: `paper-${name}-XYZ`,
        })),
      ),
      stack('operator', [], { OperatorApiUrl: apiUrl }),
      stack('promotion'),
      stack('observability', [
        { logicalId: 'HeartbeatAlarm', type: 'AWS::CloudWatch::Alarm', physicalId: 'heartbeat-XYZ' },
        { logicalId: 'SignalsPage', type: 'AWS::CloudWatch::CompositeAlarm', physicalId: 'signals-XYZ' },
      ]),
    ],
    codeHashes: new Map(functionNames.map((name) => [`paper-${name}-XYZ`, codeHash])),
    dataPoints: new Map(),
    alarms: [
      { name: 'heartbeat-XYZ', state: 'OK', description: 'No cycle. infra/runbooks/heartbeat.md' },
      { name: 'signals-XYZ', state: 'INSUFFICIENT_DATA', description: 'Signals' },
    ],
    refused: new Map(),
  };
};

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const xml = (operation: string, result: string): Answer => ({
  status: 200,
  type: 'text/xml',
  text:
    `<${operation}Response xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">` +
    `<${operation}Result>${result}</${operation}Result></${operation}Response>`,
});
const json = (body: unknown, type = 'application/json'): Answer => ({ status: 200, type, text: JSON.stringify(body) });
const refusal = (protocol: 'xml' | 'json', code: string): Answer =>
  protocol === 'xml'
    ? {
        status: 403,
        type: 'text/xml',
        text: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>not for you</Message></Error></ErrorResponse>`,
      }
    : {
        status: 403,
        type: 'application/json',
        text: JSON.stringify({ __type: code, message: 'not for you' }),
        headers: { 'x-amzn-errortype': code },
      };

const tag = (name: string, text: string | undefined): string =>
  text === undefined ? '' : `<${name}>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</${name}>`;
const list = (name: string, members: readonly string[]): string =>
  `<${name}>${members.map((member) => `<member>${member}</member>`).join('')}</${name}>`;

/** Fewer than there are, so that whoever does not follow the pages misses some. */
const pageSize = 2;
const page = <Item>(items: readonly Item[], token: string | null) => {
  const from = Number(token ?? '0');
  const next = from + pageSize;
  return { items: items.slice(from, next), token: next < items.length ? String(next) : undefined };
};

const cloudFormation: Readonly<Record<string, (state: CloudState, input: URLSearchParams) => Answer>> = {
  DescribeStacks: ({ stacks }, input) => {
    const { items, token } = page(stacks, input.get('NextToken'));
    const members = items.map(
      ({ name, status, statusReason, changedAt, outputs }) =>
        tag('StackName', name) +
        tag('StackStatus', status) +
        tag('StackStatusReason', statusReason) +
        tag('CreationTime', '2026-01-01T00:00:00.000Z') +
        tag('LastUpdatedTime', new Date(changedAt).toISOString()) +
        list(
          'Outputs',
          Object.entries(outputs).map(([key, value]) => tag('OutputKey', key) + tag('OutputValue', value)),
        ),
    );
    return xml('DescribeStacks', list('Stacks', members) + tag('NextToken', token));
  },
  ListStackResources: ({ stacks }, input) => {
    const stack = stacks.find(({ name }) => name === input.get('StackName'));
    const { items, token } = page(stack?.resources ?? [], input.get('NextToken'));
    const members = items.map(
      ({ logicalId, type, physicalId }) =>
        tag('LogicalResourceId', logicalId) + tag('ResourceType', type) + tag('PhysicalResourceId', physicalId),
    );
    return xml('ListStackResources', list('StackResourceSummaries', members) + tag('NextToken', token));
  },
};

interface MetricDataInput {
  readonly StartTime: number;
  readonly EndTime: number;
  readonly MetricDataQueries: readonly {
    readonly Id: string;
    readonly MetricStat: { readonly Metric: { readonly Namespace: string; readonly MetricName: string } };
  }[];
}

const cloudWatch: Readonly<Record<string, (state: CloudState, input: unknown) => unknown>> = {
  GetMetricData: ({ dataPoints }, input) => {
    const { StartTime, EndTime, MetricDataQueries } = input as MetricDataInput;
    return {
      MetricDataResults: MetricDataQueries.map(({ Id, MetricStat: { Metric } }) => {
        const times = Metric.Namespace === 'torghut_trading/paper' ? (dataPoints.get(Metric.MetricName) ?? []) : [];
        const inside = times.map((time) => time / second).filter((time) => time >= StartTime && time < EndTime);
        return { Id, StatusCode: 'Complete', Timestamps: inside, Values: inside.map(() => 1) };
      }),
    };
  },
  DescribeAlarms: ({ alarms }, input) => {
    const { AlarmNames } = input as { readonly AlarmNames: readonly string[] };
    const known = alarms
      .filter(({ name }) => AlarmNames.includes(name))
      .map(({ name, state, description }) => ({ AlarmName: name, StateValue: state, AlarmDescription: description }));
    const [composite, metric] = [known.filter(isComposite), known.filter((alarm) => !isComposite(alarm))];
    return { MetricAlarms: metric, CompositeAlarms: composite };
  },
};
const isComposite = ({ AlarmName }: { readonly AlarmName: string }): boolean => AlarmName.startsWith('signals');

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/**
 * CloudFormation, CloudWatch and Lambda as far as a verification asks them, in their own protocols, and the queues of the
 * one-machine deployment, behind one address.
 * @param apiUrl where the operator API of the deployment is
 */
export const startCloud = async (apiUrl: string): Promise<Cloud> => {
  const store = openLocalDatabase(':memory:');
  const clock = new ReplayClock(startAt);
  const engine = new QueueEngine(store, clock);
  for (const name of deadLetterQueues) engine.createQueue(queueSettings(name));
  const local = await startAwsEndpoint({
    engine,
    secrets: new SecretStore(clock),
    events: new EventLog(store),
    clock,
  });
  const state = healthyState(apiUrl, (name) => local.queueUrl(name));

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const body = await bodyOf(request);
    const [service = '', operation = ''] = String(request.headers['x-amz-target'] ?? '').split('.');
    const refusedCode = (name: string) => state.refused.get(name);
    if (service !== '') {
      const code = refusedCode(operation);
      if (code !== undefined) return refusal('json', code);
      const ours = service === 'GraniteServiceVersion20100801' ? cloudWatch[operation] : undefined;
      if (ours !== undefined) return json(ours(state, JSON.parse(body)), 'application/x-amz-json-1.0');
      const relayed = await fetch(local.url, {
        method: 'POST',
        headers: { 'x-amz-target': `${service}.${operation}` },
        body,
      });
      return { status: relayed.status, type: 'application/x-amz-json-1.0', text: await relayed.text() };
    }
    const functionName = /^\/2015-03-31\/functions\/([^/]+)\/configuration$/.exec(request.url ?? '')?.[1];
    if (functionName !== undefined) {
      const code = refusedCode('GetFunctionConfiguration');
      if (code !== undefined) return refusal('json', code);
      const hash = state.codeHashes.get(functionName);
      return json({ Environment: { Variables: hash === undefined ? {} : { TORGHUT_CODE_HASH: hash } } });
    }
    const input = new URLSearchParams(body);
    const action = input.get('Action') ?? '';
    const code = refusedCode(action);
    return code === undefined
      ? (cloudFormation[action]?.(state, input) ?? refusal('xml', 'InvalidAction'))
      : refusal('xml', code);
  };

  const send = (response: ServerResponse, { status, type, text, headers = {} }: Answer): void => {
    response.writeHead(status, { 'content-type': type, ...headers }).end(text);
  };
  const server = createServer((request, response) => {
    answer(request).then(
      (given) => {
        send(response, given);
      },
      (error: unknown) => {
        send(response, { status: 500, type: 'text/plain', text: String(error) });
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    queues: engine,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await local.stop();
      store.close();
    },
  };
};
