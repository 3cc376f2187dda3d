import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';

const logger = new Logger({ serviceName: 'bare' });
const metrics = new Metrics({ namespace: 'bare', serviceName: 'bare' });

/** The least that a function with structured logs, metrics and middleware can be. */
export const handler = middy()
  .use(injectLambdaContext(logger))
  .use(logMetrics(metrics))
  .handler(() => {
    metrics.addMetric('invocations', MetricUnit.Count, 1);
    logger.info('invoked');
    return Promise.resolve();
  });
