import { functionNames } from '@torghut/domain';
import { Stack } from 'aws-cdk-lib';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { deadLetterQueues } from '../../infra/cli/verify-deployment/checks/dead-letters.ts';
import { requiredParts } from '../../infra/cli/verify-deployment/deployment.ts';
import { apiUrlOutput } from '../../infra/cli/verify-deployment/verify.ts';
import { functionLogicalId } from '../../infra/constructs/logical-id.ts';
import { oneMachine, plantTree, removeTree, type SynthesizedStage, synthesizeStage } from './source-tree.ts';

let root: string;
let stage: SynthesizedStage;
beforeAll(() => {
  root = plantTree();
  stage = synthesizeStage(root, 'paper', oneMachine);
});
afterAll(() => {
  removeTree(root);
});

it('[O5] the verification expects the stacks that the stage declares, under their names', () => {
  const names = stage.stage.node.children.filter((child) => Stack.isStack(child)).map(({ stackName }) => stackName);
  expect(names.toSorted()).toEqual(requiredParts.map((part) => `torghut-paper-${part}`).toSorted());
});

it('[O5] the verification looks at every dead-letter queue, every function and the address of the API', () => {
  const queues = Object.keys(stage.state.findResources('AWS::SQS::Queue'));
  expect(queues.filter((id) => id.includes('DeadLetter')).toSorted()).toEqual([...deadLetterQueues].toSorted());
  const functions = Object.entries(stage.runtime.findResources('AWS::Lambda::Function'));
  const ours = functions.filter(([id]) => functionNames.some((name) => functionLogicalId(name) === id));
  expect(ours).toHaveLength(functionNames.length);
  for (const [, resource] of ours)
    expect(resource).toHaveProperty('Properties.Environment.Variables.TORGHUT_CODE_HASH');
  expect(Object.keys(stage.operator.findOutputs(apiUrlOutput))).toEqual([apiUrlOutput]);
});
