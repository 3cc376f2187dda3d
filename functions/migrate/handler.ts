import { metricsNamespaceKey } from '@torghut/domain';
import { createTelemetry, customResourceHandler, type InvocationTelemetry } from '@torghut/platform';
import { type MigratePorts, run } from './run.ts';
import { wire } from './wire.ts';

/** Wired for each event, so that a deployment sees a secret as it is now and a faulty setting is answered too. */
export const createHandler = (telemetry: InvocationTelemetry, wired: () => MigratePorts) =>
  customResourceHandler(telemetry, { id: 'torghut-ledger', apply: (signal) => run(wired(), signal) });

const telemetry = createTelemetry({ service: 'migrate', namespace: process.env[metricsNamespaceKey] });

export const handler = createHandler(telemetry, () => wire(process.env, { telemetry }));
