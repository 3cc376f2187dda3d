import type { Context } from 'aws-lambda';
import { second, sha256, type Clock } from '@torghut/domain';
import { localAccountId, localRegion } from './endpoint.ts';

export interface LambdaFunctionSettings {
  readonly functionName: string;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
}

/**
 * Makes the context of each invocation of one function. Request ids are hashes of the function's name and a counter, so
 * a repeated replay has the same ones; the remaining time is that of the clock.
 */
export const lambdaContexts = (clock: Clock, settings: LambdaFunctionSettings): (() => Context) => {
  const { functionName, timeoutSeconds, memoryMegabytes } = settings;
  let invocations = 0;
  return () => {
    const endsAt = clock.now() + timeoutSeconds * second;
    invocations += 1;
    const context: Omit<Context, 'done' | 'fail' | 'succeed'> = {
      awsRequestId: sha256(`${functionName}:${invocations}`).replace(
        /^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/,
        '$1-$2-$3-$4-$5',
      ),
      functionName,
      functionVersion: '$LATEST',
      invokedFunctionArn: `arn:aws:lambda:${localRegion}:${localAccountId}:function:${functionName}`,
      memoryLimitInMB: String(memoryMegabytes),
      logGroupName: `/aws/lambda/${functionName}`,
      logStreamName: 'local',
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => Math.max(0, endsAt - clock.now()),
    };
    // The callback methods that the type still names do not exist in the Node 24 runtime.
    return context as Context;
  };
};
