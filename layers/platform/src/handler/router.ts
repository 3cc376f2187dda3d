import { executionRequestSchema, publishOutbox, routeOrder } from '@torghut/domain';
import { fifoGroup, sqsBatchHandler } from './sqs-batch.ts';
import type { RouterPorts } from './router-ports.ts';

/** An order that has to be delivered again: held by another worker, or not sendable now. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
}

/**
 * Handler of an execution queue. Each message is routed to its end or returned; what the ledger wrote to the outbox
 * (fallbacks, follow-ups) is published before the message is acknowledged, and swept by the next cycle if that fails.
 */
export const routerHandler = (ports: RouterPorts) =>
  sqsBatchHandler(ports.telemetry, {
    schema: executionRequestSchema,
    groupOf: fifoGroup,
    process: async (request) => {
      await ports.ensureBoot();
      const result = await routeOrder(request, ports);
      await publishOutbox(ports.outbox, ports.publisher, ports.clock.now());
      if (result === 'retry')
        throw new RetryLater(`order ${request.order.clientOrderId} is not settled; deliver it again`);
      ports.telemetry.info('order routed', {
        clientOrderId: request.order.clientOrderId,
        adapter: ports.venue.adapter,
        result,
      });
    },
  });
