import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { DomainEvent, EventBus } from '@torghut/domain';
import { describeError } from './describe-error.ts';

/** `source` of every event of the control plane. */
export const eventSourceName = 'torghut';

/** Limit of EventBridge for one request. */
const batchEntries = 10;

/** Puts domain events on an EventBridge bus, in their order. */
export const eventBus = (client: EventBridgeClient, busName: string): EventBus => ({
  put: async (events) => {
    const failed: { index: number; error: string }[] = [];
    for (let from = 0; from < events.length; from += batchEntries) {
      const batch = events.slice(from, from + batchEntries);
      const errors = await putBatch(client, busName, batch);
      for (const [index, error] of errors.entries()) if (error !== null) failed.push({ index: from + index, error });
    }
    return { accepted: events.length - failed.length, failed };
  },
});

/** One error, or null, for each event. */
const putBatch = async (
  client: EventBridgeClient,
  busName: string,
  batch: readonly DomainEvent[],
): Promise<readonly (string | null)[]> => {
  try {
    const answer = await client.send(
      new PutEventsCommand({
        Entries: batch.map(({ type, at, detail }) => ({
          EventBusName: busName,
          Source: eventSourceName,
          DetailType: type,
          Time: new Date(at),
          Detail: JSON.stringify(detail),
        })),
      }),
    );
    return batch.map((_, index) => {
      const entry = answer.Entries?.[index];
      if (entry?.EventId !== undefined) return null;
      return `${entry?.ErrorCode ?? 'unknown'}: ${entry?.ErrorMessage ?? 'no entry in the answer'}`;
    });
  } catch (error) {
    return batch.map(() => describeError(error));
  }
};
