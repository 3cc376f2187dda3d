import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import { HttpApi, HttpMethod, HttpNoneAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { Construct } from 'constructs';

import type { TorghutFunction } from '../constructs/torghut-function.ts';

export interface OperatorStackProps extends StackProps {
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

/** Where operators look: an HTTP API that takes signed (SigV4) requests only. */
export class OperatorStack extends Stack {
  constructor(scope: Construct, id: string, props: OperatorStackProps) {
    super(scope, id, props);
    const api = new HttpApi(this, 'OperatorApi', { defaultAuthorizer: new HttpIamAuthorizer() });
    const integration = new HttpLambdaIntegration('OperatorApiFunction', props.api.lambda);
    for (const route of routes) api.addRoutes({ ...route, methods: [HttpMethod.GET], integration });
    new CfnOutput(this, 'OperatorApiUrl', { value: api.apiEndpoint });
  }
}
