import { CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AccessLogField, AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { HttpApi, HttpMethod, HttpNoneAuthorizer, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

import type { Settings } from '../config.ts';
import { acknowledge } from '../constructs/acknowledgements.ts';
import type { TorghutFunction } from '../constructs/torghut-function.ts';

export interface OperatorStackProps extends StackProps {
  readonly settings: Settings;
  readonly api: TorghutFunction;
}

/** What the API answers; anything else ends at the gateway. */
const routes = [
  { path: '/trading/{proxy+}' },
  { path: '/metrics' },
  { path: '/readyz' },
  { path: '/db-check' },
  // Says that the function runs and nothing else, to probes that cannot sign.
  { path: '/healthz', authorizer: new HttpNoneAuthorizer() },
];

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
    for (const route of routes) {
      const declared = this.api.addRoutes({ ...route, methods: [HttpMethod.GET], integration });
      if ('authorizer' in route) for (const open of declared) acknowledge(open, 'liveness');
    }
    new CfnOutput(this, 'OperatorApiUrl', { value: this.api.apiEndpoint });
  }
}
