import { defaultExecutionModel, defaultGatePolicy, defaultSplitPlan, gatePolicyDigest } from '@torghut/domain/research';
import type { LanePorts } from './lane.ts';

/** Under what candidates are judged unless told otherwise: the model, plan and gates of the specification. */
export const defaultPolicy: LanePorts['policy'] = {
  model: defaultExecutionModel,
  plan: defaultSplitPlan,
  gates: defaultGatePolicy,
  policyDigest: gatePolicyDigest(defaultGatePolicy),
  candidateBudget: 20,
  sessions: 20,
};

/** Names the code that runs a lane; a later one may evaluate otherwise. */
export const runnerVersion = 'research-lane/3';
