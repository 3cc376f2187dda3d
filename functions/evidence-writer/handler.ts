import { evidenceRequestSchema } from '@torghut/domain/research';
import { ownGroup, sqsBatchHandler, wiredOnFirstUse } from '@torghut/platform';
import { writeEvidence } from './run.ts';
import { wire } from './wire.ts';

export const createHandler = (ports: ReturnType<typeof wire>) =>
  sqsBatchHandler(ports.telemetry, {
    schema: evidenceRequestSchema,
    groupOf: ownGroup,
    process: (request) => writeEvidence(request, ports),
  });

export const handler = wiredOnFirstUse(() => createHandler(wire(process.env)));
