import type { Instant } from './instant.ts';
import type { MessagePublisher, OutboxMessage } from './ports.ts';

/** Messages that were committed with the fact they announce and have not been handed to a queue yet. */
export interface Outbox {
  /**
   * Takes up to `limit` pending messages in id order under the account's publisher lock, hands them to `send`, and
   * records what was accepted. A message is sent again when the record is lost: queues deduplicate, the ledger decides.
   */
  drain(
    now: Instant,
    limit: number,
    send: (messages: readonly OutboxMessage[]) => ReturnType<MessagePublisher['publish']>,
  ): Promise<{ readonly taken: number; readonly accepted: number }>;
}

const batch = 500;

/** Publishes everything that is pending, batch by batch; stops at a batch that was not accepted whole. */
export const publishOutbox = async (outbox: Outbox, publisher: MessagePublisher, now: Instant): Promise<number> => {
  let published = 0;
  for (;;) {
    const { taken, accepted } = await outbox.drain(now, batch, (messages) => publisher.publish(messages));
    published += accepted;
    if (taken < batch || accepted < taken) return published;
  }
};
