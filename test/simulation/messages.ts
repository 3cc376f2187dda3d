import type { SQSClient, SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import {
  deployment,
  queues as queueContract,
  type Instant,
  type MessagePublisher,
  type QueueName,
} from '@torghut/domain';
import { sqsPublisher } from '@torghut/platform';
import { createEventSource } from '../../infra/local/aws/event-source.ts';
import { openLocalDatabase } from '../../infra/local/aws/local-database.ts';
import { QueueEngine } from '../../infra/local/aws/queue-engine.ts';
import { draw } from '../../infra/local/twins/random.ts';
import { queueSettings } from '../support/local-aws.ts';
import type { Faults } from './faults.ts';
import type { Gates } from './gates.ts';
import type { Scheduler } from './scheduler.ts';

/** The queues that orders take. */
export const queueNames = ['lean', 'alpaca', 'followUp'] as const satisfies readonly QueueName[];
export type OrderQueue = (typeof queueNames)[number];
const suffix = (name: OrderQueue): string => (queueContract[name].fifo ? '.fifo' : '');
const nameOf = (name: OrderQueue): string => `${name}${suffix(name)}`;
export const deadLetterOf = (name: OrderQueue): string => `${name}-dead-letter${suffix(name)}`;
/** A queue looks for its consumers this often at least, milliseconds. */
const pollWithinMs = 300;
/** How long a message may hide before it is seen at all. */
const lateDeliveryMs = 45_000;

export interface SimulatedQueues {
  readonly engine: QueueEngine;
  readonly publisher: MessagePublisher;
  /** Puts a message on a queue that no publisher of ours wrote. */
  readonly plant: (queue: OrderQueue, body: string, groupId: string) => void;
  /** Starts to deliver; each batch goes to one run of the consumer. */
  readonly deliverTo: (invoke: (queue: OrderQueue, event: unknown) => Promise<unknown>, concurrency: number) => void;
  /** Messages that wait, are delayed or in flight. */
  readonly waiting: () => number;
  readonly deadLetters: () => readonly { readonly queue: OrderQueue; readonly body: string }[];
  readonly close: () => void;
}

/** The queues with the semantics and settings of the deployed ones, whose deliveries are turns. */
export const simulatedQueues = (scheduler: Scheduler, gates: Gates, faults: Faults): SimulatedQueues => {
  const clock = scheduler.clock(0, gates.actor);
  const store = openLocalDatabase(':memory:');
  const engine = new QueueEngine(store, clock);
  for (const name of queueNames) {
    engine.createQueue(queueSettings(deadLetterOf(name)));
    engine.createQueue(
      queueSettings(nameOf(name), {
        visibilityTimeoutSeconds: deployment.queueVisibilitySeconds,
        deadLetter: { queue: deadLetterOf(name), maxReceiveCount: deployment.queueReceiveCount },
      }),
    );
  }
  let poll: (queue: OrderQueue) => void = () => undefined;

  // The queue's side of the SDK's only command that a publisher uses; everything in front of it is the real one.
  const client = {
    send: ({ input }: SendMessageBatchCommand) => {
      const queue = String(input.QueueUrl) as OrderQueue;
      const actor = gates.actor();
      const key = `${actor?.name ?? 'world'}/${actor?.gates ?? 0}:publish:${queue}`;
      const fault = actor === null ? null : faults.at(key, 'publish', scheduler.now());
      if (fault === 'publish_refused') return Promise.reject(new Error('ServiceUnavailable'));
      const sent = (input.Entries ?? []).map((entry) => {
        engine.send(nameOf(queue), {
          body: entry.MessageBody ?? '',
          ...(entry.DelaySeconds === undefined ? {} : { delaySeconds: entry.DelaySeconds }),
          ...(entry.MessageGroupId === undefined ? {} : { groupId: entry.MessageGroupId }),
          ...(entry.MessageDeduplicationId === undefined ? {} : { deduplicationId: entry.MessageDeduplicationId }),
        });
        return { Id: entry.Id };
      });
      poll(queue);
      return fault === 'published_unrecorded'
        ? Promise.reject(new Error('no answer'))
        : Promise.resolve({ Successful: sent });
    },
  };

  let planted = 0;
  return {
    engine,
    publisher: sqsPublisher(
      client as unknown as SQSClient,
      Object.fromEntries(queueNames.map((name) => [name, { url: name, fifo: queueContract[name].fifo }])),
    ),
    plant: (queue, body, groupId) => {
      planted += 1;
      engine.send(nameOf(queue), {
        body,
        ...(queueContract[queue].fifo ? { groupId, deduplicationId: `planted-${planted}` } : {}),
      });
      poll(queue);
    },
    deliverTo: (invoke, concurrency) => {
      let batches = 0;
      const active = new Map<OrderQueue, number>(queueNames.map((name) => [name, 0]));
      const again = new Set<OrderQueue>();
      const planned = new Map<OrderQueue, Instant>();
      const sources = new Map(
        queueNames.map((queue) => [
          queue,
          createEventSource(engine, clock, {
            queue: nameOf(queue),
            batchSize: queueContract[queue].batchSize,
            maximumConcurrency: 1,
            reportBatchItemFailures: true,
            function: {
              functionName: queueContract[queue].consumer,
              // Overrunning it is decided where the function runs.
              timeoutSeconds: 3_600,
              memoryMegabytes: 512,
            },
            handler: async (event) => {
              batches += 1;
              const key = `${queue}-batch-${batches}`;
              const fault = faults.at(key, 'delivery', scheduler.now());
              if (fault === 'delivered_late')
                (
                  await scheduler.turn(
                    key,
                    scheduler.now() + Math.floor(draw(scheduler.seed, key) * lateDeliveryMs),
                    null,
                  )
                ).end();
              if (fault === 'delivered_twice') {
                // Standard queues deliver at least once; a FIFO queue does so when a deletion is lost and visibility ends.
                void invoke(queue, event).catch(() => undefined);
              }
              const answer = await invoke(queue, event);
              if (fault === 'deletion_lost') throw new Error('the deletion of the batch was lost');
              return answer;
            },
          }),
        ]),
      );
      const drain = async (queue: OrderQueue): Promise<void> => {
        if (active.get(queue)! >= concurrency) {
          again.add(queue);
          return;
        }
        active.set(queue, active.get(queue)! + 1);
        again.delete(queue);
        await sources.get(queue)!.drain();
        active.set(queue, active.get(queue)! - 1);
        const next = engine.nextVisibleAt(nameOf(queue));
        if (again.has(queue)) poll(queue);
        if (next !== null) pollAt(queue, next);
      };
      const pollAt = (queue: OrderQueue, at: Instant): void => {
        const before = planned.get(queue);
        if (before !== undefined && before <= at && before > scheduler.now()) return;
        planned.set(queue, at);
        scheduler.at(`poll:${queue}:${at}`, at, () => {
          if (planned.get(queue) === at) planned.delete(queue);
          void drain(queue);
          const next = engine.nextVisibleAt(nameOf(queue));
          if (next !== null) pollAt(queue, next);
        });
      };
      poll = (queue) => {
        const at = scheduler.now();
        pollAt(queue, at + 1 + Math.floor(draw(scheduler.seed, 'poll', queue, at) * pollWithinMs));
      };
    },
    waiting: () =>
      queueNames.reduce((sum, name) => {
        const { visible, inFlight, delayed } = engine.statistics(nameOf(name));
        return sum + visible + inFlight + delayed;
      }, 0),
    deadLetters: () =>
      queueNames.flatMap((queue) => {
        const found: { queue: OrderQueue; body: string }[] = [];
        for (;;) {
          const messages = engine.receive(deadLetterOf(queue));
          if (messages.length === 0) return found;
          for (const message of messages) {
            found.push({ queue, body: message.body });
            engine.delete(deadLetterOf(queue), message.receiptHandle);
          }
        }
      }),
    close: () => {
      store.close();
    },
  };
};
