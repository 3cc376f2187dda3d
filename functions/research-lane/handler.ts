import { scheduledHandler, wiredOnFirstUse } from '@torghut/platform';
import { reaching } from './out-of-reach.ts';
import { runStep, stepSchema } from './steps.ts';
import { wire } from './wire.ts';

export const createHandler = (ports: Awaited<ReturnType<typeof wire>>) =>
  scheduledHandler(ports.telemetry, stepSchema, async (step) => {
    // A ledger that is away, or not yet what this code works with, as while a release is deployed.
    await reaching('evaluation_error', ports.ensureBoot);
    return runStep(step, ports);
  });

/** What does not answer while connections are opened is out of reach as later. */
export const handler = wiredOnFirstUse(async () =>
  createHandler(await reaching('evaluation_error', () => wire(process.env))),
);
