import { join } from 'node:path';

import { Stage } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

import type { Settings } from './config.ts';
import { OperatorStack } from './stacks/operator-stack.ts';
import { RuntimeStack } from './stacks/runtime-stack.ts';
import { StateStack } from './stacks/state-stack.ts';

export interface TorghutStageProps {
  readonly settings: Settings;
  /** Directory that holds `functions/` and `layers/`; this repository by default. */
  readonly sourceRoot?: string;
}

/** One environment: what keeps state, what runs, and what operators reach, each in its own stack. */
export class TorghutStage extends Stage {
  readonly state: StateStack;
  readonly runtime: RuntimeStack;
  readonly operator: OperatorStack;

  constructor(scope: Construct, id: string, props: TorghutStageProps) {
    const { settings, sourceRoot = join(import.meta.dirname, '..') } = props;
    super(scope, id, {
      env: {
        ...(settings.account === undefined ? {} : { account: settings.account }),
        ...(settings.region === undefined ? {} : { region: settings.region }),
      },
    });
    this.state = new StateStack(this, 'state');
    this.runtime = new RuntimeStack(this, 'runtime', { settings, sourceRoot, state: this.state });
    this.operator = new OperatorStack(this, 'operator', { api: this.runtime.functions['operator-api'] });
  }
}
