import { scheduledHandler, wiredOnFirstUse } from '@torghut/platform';
import { runStep, stepSchema } from './steps.ts';
import { wire } from './wire.ts';

export const createHandler = (ports: Awaited<ReturnType<typeof wire>>) =>
  scheduledHandler(ports.telemetry, stepSchema, async (step) => {
    await ports.ensureBoot();
    return runStep(step, ports);
  });

export const handler = wiredOnFirstUse(async () => createHandler(await wire(process.env)));
