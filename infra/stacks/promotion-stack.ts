import { CfnWaitConditionHandle, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/**
 * Where promotions will run: the state machine that takes a strategy through paper, canary and live. Nothing is promoted
 * yet; the stack stands so that the order of deployment does not change when something is.
 */
export class PromotionStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps) {
    super(scope, id, props);
    // CloudFormation refuses a stack without resources; this one is free and does nothing.
    new CfnWaitConditionHandle(this, 'NothingYet');
  }
}
