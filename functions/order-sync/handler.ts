import { followUpSchema } from '@torghut/domain';
import { ownGroup, scheduledHandler, scheduleInput, sqsBatchHandler, wiredOnFirstUse } from '@torghut/platform';
import type { Context, SQSEvent } from 'aws-lambda';
import { runFollowUp, runScheduled } from './run.ts';
import { wire } from './wire.ts';

/** Serves the schedule and the follow-up queue: both lead to the same look at an order. */
export const createHandler = (ports: Awaited<ReturnType<typeof wire>>) => {
  const scheduled = scheduledHandler(ports.telemetry, scheduleInput, async ({ scheduledFor }) => {
    await ports.ensureBoot();
    return runScheduled(scheduledFor, ports);
  });
  const followUps = sqsBatchHandler(ports.telemetry, {
    schema: followUpSchema,
    groupOf: ownGroup,
    process: async (followUp) => {
      await ports.ensureBoot();
      await runFollowUp(followUp, ports);
    },
  });
  return (event: unknown, context: Context) =>
    typeof event === 'object' && event !== null && 'Records' in event
      ? followUps(event as SQSEvent, context)
      : scheduled(event, context);
};

export const handler = wiredOnFirstUse<unknown, unknown>(async () => createHandler(await wire(process.env)));
