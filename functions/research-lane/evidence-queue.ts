import type { AccountLabel, MessagePublisher } from '@torghut/domain';
import type { EvidenceQueue } from './announce.ts';

/**
 * Hands the evidence of a run to its writer. The message can be sent again: the writer stores a run once.
 * @throws Error when the queue did not take it
 */
export const evidenceQueue =
  (publisher: MessagePublisher, account: AccountLabel): EvidenceQueue =>
  async (request) => {
    const id = 1;
    const { failed } = await publisher.publish([
      {
        id,
        topic: 'evidence',
        groupKey: account,
        dedupId: request.manifest_sha256,
        body: JSON.stringify(request),
        delaySeconds: 0,
      },
    ]);
    const [refused] = failed;
    if (refused !== undefined)
      throw new Error(`run ${request.run_id}: expected the evidence queue to take its message, found ${refused.error}`);
  };
