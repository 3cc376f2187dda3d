import { scheduledHandler, scheduleInput, wiredOnFirstUse } from '@torghut/platform';
import { runScheduled } from './run.ts';
import { wire } from './wire.ts';

export const createHandler = (ports: Awaited<ReturnType<typeof wire>>) =>
  scheduledHandler(ports.telemetry, scheduleInput, async ({ scheduledFor }) => {
    await ports.ensureBoot();
    return runScheduled(scheduledFor, ports);
  });

export const handler = wiredOnFirstUse<unknown, unknown>(async () => createHandler(await wire(process.env)));
