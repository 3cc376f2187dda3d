import { deployment, type FunctionName, functionNames, queues, schedules, secretKeys } from '@torghut/domain/contract';
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { EventBus } from 'aws-cdk-lib/aws-events';
import type { Construct } from 'constructs';

import type { Settings } from '../config.ts';
import { functionEnvironment } from '../constructs/function-environment.ts';
import { functionLogicalId } from '../constructs/logical-id.ts';
import { MarketSchedule } from '../constructs/market-schedule.ts';
import { SourceLayer } from '../constructs/source-layer.ts';
import { TorghutFunction } from '../constructs/torghut-function.ts';
import { functionTable, maximumConcurrency } from './function-table.ts';
import type { StateStack } from './state-stack.ts';

export interface RuntimeStackProps extends StackProps {
  readonly settings: Settings;
  readonly sourceRoot: string;
  readonly state: StateStack;
}

const isScheduled = (name: FunctionName): name is keyof typeof schedules => name in schedules;

/** What runs: both layers, every function with its queues, and the schedules. Layers and functions change together. */
export class RuntimeStack extends Stack {
  readonly functions: Readonly<Record<FunctionName, TorghutFunction>>;

  constructor(scope: Construct, id: string, props: RuntimeStackProps) {
    super(scope, id, props);
    const { settings, sourceRoot, state } = props;
    const domain = new SourceLayer(this, 'DomainLayer', { sourceRoot, name: 'domain' });
    const platform = new SourceLayer(this, 'PlatformLayer', {
      sourceRoot,
      name: 'platform',
      external: ['@torghut/domain'],
    });
    const layers = settings.inlineLayers ? [] : [domain.toLayerVersion(), platform.toLayerVersion()];
    const bus = EventBus.fromEventBusName(this, 'EventBus', 'default');
    const environment = functionEnvironment(settings, domain.codeHash);

    const declare = (name: FunctionName): TorghutFunction => {
      const { timeoutSeconds, reads, sendsTo, publishes, ...profile } = functionTable[name];
      const declared = new TorghutFunction(this, functionLogicalId(name), {
        ...profile,
        sourceRoot,
        name,
        timeout: Duration.seconds(timeoutSeconds),
        environment,
        layers,
        logRetention: settings.logRetentionDays,
        ...(isScheduled(name) ? { invocationDeadLetter: state.invocationDeadLetter } : {}),
      });
      for (const secret of reads) declared.reads(state.secrets[secret], secretKeys[secret]);
      for (const queue of sendsTo) declared.sendsTo(state.queues[queue]);
      if (publishes === true) declared.publishesTo(bus);
      return declared;
    };
    this.functions = Object.fromEntries(functionNames.map((name) => [name, declare(name)])) as Record<
      FunctionName,
      TorghutFunction
    >;

    for (const name of Object.keys(queues) as (keyof typeof queues)[]) {
      this.functions[queues[name].consumer].consumes(state.queues[name], {
        batchSize: queues[name].batchSize,
        maximumConcurrency: maximumConcurrency[name],
      });
    }
    for (const name of functionNames.filter(isScheduled)) {
      new MarketSchedule(this, `${functionLogicalId(name)}Schedule`, {
        target: this.functions[name],
        expression: schedules[name],
        timezone: deployment.scheduleTimezone,
        retries: deployment.scheduleRetries,
        maxEventAge: Duration.seconds(deployment.scheduleMaxEventAgeSeconds),
        deadLetter: state.scheduleDeadLetter,
      });
    }
  }
}
