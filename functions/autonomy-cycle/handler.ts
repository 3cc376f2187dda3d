import { scheduledHandler, scheduleInput, wiredOnFirstUse } from '@torghut/platform';
import { run } from './run.ts';
import { wire } from './wire.ts';

export const createHandler = (ports: Awaited<ReturnType<typeof wire>>) =>
  scheduledHandler(ports.telemetry, scheduleInput, async ({ scheduledFor }) => {
    await ports.ensureBoot();
    return run(scheduledFor, ports);
  });

export const handler = wiredOnFirstUse(async () => createHandler(await wire(process.env)));
