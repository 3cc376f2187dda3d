import { Aws, CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AccessLogField, AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { HttpApi, HttpMethod, HttpNoneAuthorizer, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

import type { Settings } from '../config.ts';
import { acknowledge } from '../constructs/acknowledgements.ts';
import type { TorghutFunction } from '../constructs/torghut-function.ts';

export interface OperatorStackProps extends StackProps {
  readonly settings: Settings;
  readonly api: TorghutFunction;
}

/**
 * What the API answers; anything else ends at the gateway. What changes something has a route of its own for each path, so
 * that who may read and who may change is a matter of policies.
 */
const reads = [
  { path: '/trading/{proxy+}' },
  { path: '/metrics' },
  { path: '/readyz' },
  { path: '/db-check' },
  // Says that the function runs and nothing else, to probes that cannot sign.
  { path: '/healthz', authorizer: new HttpNoneAuthorizer() },
];
const changes = [
  '/trading/controls/{control}',
  '/trading/adapters/{adapter}',
  '/trading/adapters/{adapter}/{symbol}',
] as const;

/** Who may do what. A role that works for people gets one of these; nothing is attached here. */
const policies = {
  OperatorReadPolicy: {
    acknowledgement: 'operatorReadPolicy',
    description: 'Read the operator API: status, decisions, executions, why, burn-in, metrics.',
    invokes: ['GET/*'],
  },
  OperatorChangePolicy: {
    acknowledgement: 'operatorChangePolicy',
    description: 'Engage and release controls, and change adapters. Beside the policy to read.',
    invokes: ['POST/trading/controls/*', 'POST/trading/adapters/*'],
  },
} as const;

/** Requests a second: an operator or two, and scrapers. */
const throttle = { rateLimit: 20, burstLimit: 40 };

/** What was asked, by whom and how it went; never a header or a body. */
const accessLog = AccessLogFormat.custom(
  JSON.stringify({
    requestId: AccessLogField.contextRequestId(),
    time: AccessLogField.contextRequestTime(),
    caller: AccessLogField.contextIdentityUserArn(),
    address: AccessLogField.contextIdentitySourceIp(),
    route: AccessLogField.contextRouteKey(),
    path: AccessLogField.contextPath(),
    status: AccessLogField.contextStatus(),
    latencyMilliseconds: AccessLogField.contextResponseLatency(),
    error: AccessLogField.contextIntegrationErrorMessage(),
  }),
);

/** Where operators look: an HTTP API that takes signed (SigV4) requests only, says who asked for what, and is throttled. */
export class OperatorStack extends Stack {
  readonly api: HttpApi;

  constructor(scope: Construct, id: string, props: OperatorStackProps) {
    super(scope, id, props);
    this.api = new HttpApi(this, 'OperatorApi', {
      defaultAuthorizer: new HttpIamAuthorizer(),
      createDefaultStage: false,
    });
    const logs = new LogGroup(this, 'AccessLogs', {
      retention: props.settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api.addStage('Stage', {
      stageName: '$default',
      autoDeploy: true,
      throttle,
      detailedMetricsEnabled: true,
      accessLogSettings: { destination: new LogGroupLogDestination(logs), format: accessLog },
    });
    const integration = new HttpLambdaIntegration('OperatorApiFunction', props.api.lambda);
    for (const route of reads) {
      const declared = this.api.addRoutes({ ...route, methods: [HttpMethod.GET], integration });
      if ('authorizer' in route) for (const open of declared) acknowledge(open, 'liveness');
    }
    for (const path of changes) this.api.addRoutes({ path, methods: [HttpMethod.POST], integration });
    for (const [name, { description, invokes, acknowledgement }] of Object.entries(policies)) {
      const policy = new ManagedPolicy(this, name, {
        description,
        statements: [
          new PolicyStatement({
            actions: ['execute-api:Invoke'],
            resources: invokes.map(
              (path) =>
                `arn:${Aws.PARTITION}:execute-api:${Aws.REGION}:${Aws.ACCOUNT_ID}:${this.api.apiId}/$default/${path}`,
            ),
          }),
        ],
      });
      acknowledge(policy, acknowledgement);
      new CfnOutput(this, `${name}Arn`, { value: policy.managedPolicyArn });
    }
    new CfnOutput(this, 'OperatorApiUrl', { value: this.api.apiEndpoint });
  }
}
