/**
 * What every invocation of every function uses, and no more: Lambda loads it while it initialises, before there is an
 * event. Everything else is loaded with the first invocation.
 */
export { Logger } from '@aws-lambda-powertools/logger';
export { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
export { default as middy } from '@middy/core';
