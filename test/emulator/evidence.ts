import { DescribeLogGroupsCommand, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { readFile } from 'node:fs/promises';
import type { Emulation } from './emulation.ts';

const linesPerGroup = 12;
const longestLine = 600;

/** Every log event of the stage's functions, by log group, oldest first. */
export const logEvents = async ({
  aws,
  stage,
}: Pick<Emulation, 'aws' | 'stage'>): Promise<ReadonlyMap<string, readonly string[]>> => {
  const ours = new Set(
    (await stage.resources()).filter(({ type }) => type === 'AWS::Logs::LogGroup').map(({ physicalId }) => physicalId),
  );
  const events = new Map<string, readonly string[]>();
  const { logGroups = [] } = await aws.logs.send(new DescribeLogGroupsCommand());
  for (const { logGroupName = '' } of logGroups) {
    if (!ours.has(logGroupName) && !logGroupName.startsWith('/aws/lambda/torghut-')) continue;
    const messages: string[] = [];
    let next: string | undefined;
    do {
      const page = await aws.logs.send(
        new FilterLogEventsCommand({ logGroupName, ...(next === undefined ? {} : { nextToken: next }) }),
      );
      messages.push(...(page.events ?? []).map(({ message = '' }) => message.trimEnd()));
      next = page.nextToken;
    } while (next !== undefined);
    events.set(logGroupName, messages);
  }
  return events;
};

/** What helps to understand a failed claim: failures of the stacks, and the last lines of each function's log. */
export const evidence = async (emulation: Emulation): Promise<string> => {
  const failures = await Promise.all(
    (await emulation.stage.stacks()).map(async ({ name, status }) => [
      `  ${name}: ${status}`,
      ...(await emulation.stage.failures(name)).slice(-5).map((reason) => `    ${reason}`),
    ]),
  );
  const logs = [...(await logEvents(emulation))].flatMap(([group, lines]) => [
    `  ${group}`,
    ...lines.slice(-linesPerGroup).map((line) => `    ${line.slice(0, longestLine)}`),
  ]);
  const emulator =
    emulation.emulatorLog === null
      ? []
      : (await readFile(emulation.emulatorLog, 'utf8'))
          .split('\n')
          .filter((line) => /WARNING|ERROR|ESM/.test(line))
          .slice(-linesPerGroup)
          .map((line) => `    ${line.slice(0, longestLine)}`);
  return [...failures.flat(), ...logs, '  emulator', ...emulator, ''].join('\n');
};
