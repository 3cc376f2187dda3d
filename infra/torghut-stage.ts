import { join } from 'node:path';

import { Stage } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

import type { Settings } from './config.ts';
import { NetworkStack } from './stacks/network-stack.ts';
import { ObservabilityStack } from './stacks/observability-stack.ts';
import { OperatorStack } from './stacks/operator-stack.ts';
import { PromotionStack } from './stacks/promotion-stack.ts';
import { RuntimeStack } from './stacks/runtime-stack.ts';
import { StateStack } from './stacks/state-stack.ts';

export interface TorghutStageProps {
  readonly settings: Settings;
  /** Directory that holds `functions/` and `layers/`; this repository by default. */
  readonly sourceRoot?: string;
}

/**
 * One environment: the network, what keeps state, what runs, what promotes and what operators reach, each in its own
 * stack. Stacks are named after the environment and not after their place in the tree: a stack under another name would
 * be another stack, with state of its own.
 */
export class TorghutStage extends Stage {
  /** Absent when the functions run outside of any network of ours. */
  readonly network?: NetworkStack;
  readonly state: StateStack;
  readonly runtime: RuntimeStack;
  readonly promotion: PromotionStack;
  readonly operator: OperatorStack;
  readonly observability: ObservabilityStack;

  constructor(scope: Construct, id: string, props: TorghutStageProps) {
    const { settings, sourceRoot = join(import.meta.dirname, '..') } = props;
    super(scope, id, {
      env: {
        ...(settings.account === undefined ? {} : { account: settings.account }),
        ...(settings.region === undefined ? {} : { region: settings.region }),
      },
    });
    const named = (name: string) => ({ stackName: `torghut-${settings.environment}-${name}` });
    if (settings.network !== 'none')
      this.network = new NetworkStack(this, 'network', { ...named('network'), settings });
    const network = this.network === undefined ? {} : { network: this.network.network };
    this.state = new StateStack(this, 'state', { ...named('state'), settings, ...network });
    this.runtime = new RuntimeStack(this, 'runtime', {
      ...named('runtime'),
      settings,
      sourceRoot,
      state: this.state,
      ...network,
    });
    this.promotion = new PromotionStack(this, 'promotion', named('promotion'));
    this.operator = new OperatorStack(this, 'operator', {
      ...named('operator'),
      settings,
      api: this.runtime.functions['operator-api'],
    });
    this.observability = new ObservabilityStack(this, 'observability', {
      ...named('observability'),
      settings,
      state: this.state,
      runtime: this.runtime,
      operator: this.operator,
    });
  }
}
