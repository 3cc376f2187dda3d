import { type Check, failed, ok, unknown } from '../check.ts';
import { type DeployedStack, requiredParts } from '../deployment.ts';

const complete = /^(?:CREATE|UPDATE|IMPORT)_COMPLETE$/;
// The rollback of an update is not in progress towards anything this verification could wait for.
const moving = /^(?!.*ROLLBACK).*_IN_PROGRESS$/;

const describe = ({ part, status, statusReason }: DeployedStack): string =>
  `${part} ${status}${statusReason === null ? '' : `: ${statusReason}`}`;

/** Every part of the environment is there, and CloudFormation finished with it and did not roll it back. */
export const stacks: Check = ({ deployment }) => {
  const found = {
    value: `${deployment.stacks.length} stacks`,
    limit: 'every stack *_COMPLETE and none rolled back',
    details: deployment.stacks.map(describe).toSorted(),
  };
  const missing = requiredParts.filter((part) => !deployment.stacks.some((stack) => stack.part === part));
  const broken = deployment.stacks.filter(({ status }) => !complete.test(status) && !moving.test(status));
  const unfinished = deployment.stacks.filter(({ status }) => moving.test(status));
  const reasons = [
    ...missing.map((part) => `${deployment.prefix}${part} is not deployed`),
    ...broken.map((stack) => `${describe(stack)}; read the events of ${deployment.prefix}${stack.part}`),
  ];
  if (reasons.length > 0) return Promise.resolve(failed(reasons.join('; '), found));
  if (unfinished.length > 0) {
    return Promise.resolve(
      unknown(`${unfinished.map(describe).join('; ')}; run it again when that is done, or use --wait`, found),
    );
  }
  return Promise.resolve(ok(found));
};
