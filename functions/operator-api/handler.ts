import { httpHandler, wiredOnFirstUse } from '@torghut/platform';
import type { OperatorApiPorts } from './ports.ts';
import { run } from './run.ts';
import { wire } from './wire.ts';

export const createHandler = (ports: OperatorApiPorts) => httpHandler(ports.telemetry, run(ports));

export const handler = wiredOnFirstUse(async () => createHandler(await wire(process.env)));
