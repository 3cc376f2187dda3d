import { queues } from '@torghut/domain';
import { evidenceRequest } from '@torghut/domain/research';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { redrive } from '../../../infra/cli/research/redrive.ts';
import { deadLetterLogicalId } from '../../../infra/constructs/logical-id.ts';
import { queueSettings } from '../../support/local-aws.ts';
import { prefix, startCloud, type Cloud } from '../verify-deployment/cloud.ts';

const { logicalId } = queues.evidence;
const deadLetters = deadLetterLogicalId(logicalId);
const request = (digit: string) => JSON.stringify(evidenceRequest(digit.repeat(24), 'a'.repeat(64)));

let cloud: Cloud;
let printed: string[];
beforeEach(async () => {
  cloud = await startCloud('http://127.0.0.1:9');
  cloud.queues.createQueue(queueSettings(logicalId));
  cloud.state.stacks = cloud.state.stacks.map((stack) =>
    stack.name === `${prefix}state`
      ? {
          ...stack,
          resources: [
            ...stack.resources,
            {
              logicalId,
              type: 'AWS::SQS::Queue',
              physicalId: stack.resources
                .find((one) => one.logicalId === deadLetters)!
                .physicalId.replace(deadLetters, logicalId),
            },
          ],
        }
      : stack,
  );
  printed = [];
  for (const name of ['log', 'error'] as const)
    vi.spyOn(console, name).mockImplementation((line: string) => {
      printed.push(line);
    });
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await cloud.stop();
});

const words = (...more: readonly string[]): readonly string[] => [
  '--environment',
  'paper',
  '--region',
  'us-east-1',
  '--endpoint',
  cloud.url,
  ...more,
];

describe('torghut research redrive', () => {
  it('[R7] moves every dead letter of the evidence queue back to it, and names the runs', async () => {
    for (const digit of ['1', '2', '3']) cloud.queues.send(deadLetters, { body: request(digit) });
    expect(await redrive(words())).toBe(0);
    expect(cloud.queues.statistics(deadLetters).visible).toBe(0);
    expect(cloud.queues.receive(logicalId, { limit: 10 }).map(({ body }) => body)).toEqual(
      ['1', '2', '3'].map(request),
    );
    expect(printed.join('\n')).toContain(`run ${'2'.repeat(24)}: its evidence will be stored again`);
    expect(printed.join('\n')).toContain('3 moved');
  });

  it('says when there is nothing to move, and how long a letter is on its way', async () => {
    expect(await redrive(words())).toBe(0);
    expect(printed.join('\n')).toMatch(/0 moved\n.*6 minutes after/);
  });

  it('leaves what the writer would never understand, and exits 1', async () => {
    cloud.queues.send(deadLetters, { body: request('1') });
    cloud.queues.send(deadLetters, { body: '{"run_id":"1"}' });
    expect(await redrive(words())).toBe(1);
    expect(printed.join('\n')).toContain('1 moved, 1 left');
    expect(cloud.queues.statistics(logicalId).visible).toBe(1);
  });

  it('exits 1 with a reason where the deployment cannot be asked', async () => {
    cloud.state.refused.set('DescribeStacks', 'AccessDenied');
    expect(await redrive(words())).toBe(1);
    expect(printed.join('\n')).toContain('AccessDenied');
  });

  it.each([
    [['--environment', 'nowhere'], /--environment: expected paper or live, found nowhere/],
    [['--environment', 'paper', '--endpoint', 'there'], /--endpoint: expected an http or https URL/],
    [['--queue', 'x'], /--help lists the options/],
  ])('refuses %j', async (wrong, message) => {
    await expect(redrive(wrong)).rejects.toThrow(message);
  });
});
