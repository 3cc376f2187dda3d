import type { ExecutionAdapter } from '@torghut/domain';
import type { Environment, Overrides } from '@torghut/platform';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import * as operatorApi from '../../functions/operator-api/handler.ts';
import * as operatorApiWire from '../../functions/operator-api/wire.ts';
import type { StoppingControl } from './scenario.ts';

/** What the operator API answered. */
export interface OperatorAnswer {
  readonly request: string;
  readonly status: number;
  readonly body: string;
}

/** People who ask the operator API. Nothing they do is a turn: it happens between two steps, and is in force at once. */
export interface Operators {
  /** Resolves with whether it was a change. Everything is asked twice, as a caller does whose first answer was lost. */
  readonly control: (control: StoppingControl, engaged: boolean, requestId: string) => Promise<boolean>;
  readonly adapter: (adapter: ExecutionAdapter, state: 'enabled' | 'disabled', requestId: string) => Promise<boolean>;
  readonly read: (path: string) => Promise<void>;
}

interface OperatorConfig {
  readonly environment: Environment;
  readonly overrides: Overrides;
  readonly onAnswer: (answer: OperatorAnswer) => void;
}

const caller = {
  accessKey: 'SIMULATION',
  accountId: '000000000000',
  callerId: 'SIMULATION',
  cognitoIdentity: null,
  principalOrgId: null,
  userArn: 'arn:aws:iam::000000000000:user/operator',
  userId: 'SIMULATION',
};

const eventOf = (method: 'GET' | 'POST', path: string, body: unknown): APIGatewayProxyEventV2 => {
  const requestContext = {
    accountId: caller.accountId,
    apiId: 'simulation',
    authorizer: { iam: caller },
    domainName: 'simulation',
    domainPrefix: 'simulation',
    http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'simulation' },
    requestId: 'simulation',
    routeKey: '$default',
    stage: '$default',
    time: '',
    timeEpoch: 0,
  };
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: '',
    headers: { 'content-type': 'application/json' },
    requestContext,
    ...(body === null ? {} : { body: JSON.stringify(body) }),
    isBase64Encoded: false,
  };
};

export const startOperators = async ({ environment, overrides, onAnswer }: OperatorConfig): Promise<Operators> => {
  const handler = operatorApi.createHandler(await operatorApiWire.wire(environment, overrides));
  const ask = async (method: 'GET' | 'POST', path: string, body: unknown = null): Promise<number> => {
    const answer = await handler(eventOf(method, path, body), { awsRequestId: 'simulation' } as Context);
    const status = answer.statusCode ?? 200;
    onAnswer({ request: `${method} ${path}`, status, body: answer.body ?? '' });
    return status;
  };
  const change = async (path: string, body: Readonly<Record<string, unknown>>, key: string): Promise<boolean> => {
    const asked = { ...body, reason: 'set by the simulation', request_id: `simulation-${key.replaceAll('/', '.')}` };
    const first = await ask('POST', path, asked);
    const again = await ask('POST', path, asked);
    if (again !== first) onAnswer({ request: `POST ${path} again`, status: again, body: `expected ${first} again` });
    return first === 200;
  };
  return {
    control: (control, engaged, key) => change(`/trading/controls/${control.replaceAll('_', '-')}`, { engaged }, key),
    adapter: (adapter, state, key) => change(`/trading/adapters/${adapter}`, { state }, key),
    read: async (path) => {
      await ask('GET', path);
    },
  };
};
