import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minute, second } from '@torghut/domain';
import type { ReceivedMessage } from '../../../infra/local/aws/queue-engine.ts';
import { sqsLimits } from '../../../infra/local/aws/queue-engine.ts';
import { localQueues, queueSettings, startAt } from '../../support/local-aws.ts';

const bodies = (messages: readonly ReceivedMessage[]) => messages.map(({ body }) => body);
const fifo = (change = {}) => {
  const local = localQueues();
  local.engine.createQueue(queueSettings('orders.fifo', change));
  const send = (groupId: string, body: string, deduplicationId = body) =>
    local.engine.send('orders.fifo', { body, groupId, deduplicationId });
  return { ...local, send, receive: (limit = 10) => local.engine.receive('orders.fifo', { limit }) };
};

describe('FIFO queue', () => {
  it('gives nothing more of a group while one of its messages is in flight', () => {
    const { engine, send, receive } = fifo();
    for (const [group, body] of [
      ['A', 'a1'],
      ['A', 'a2'],
      ['B', 'b1'],
    ] as const)
      send(group, body);
    const [first] = receive(1);
    expect(bodies(receive())).toEqual(['b1']);
    engine.delete('orders.fifo', first!.receiptHandle);
    expect(bodies(receive())).toEqual(['a2']);
  });

  it('gives a group again in its order when visibility ends', () => {
    const { clock, send, receive } = fifo();
    send('A', 'a1');
    send('A', 'a2');
    expect(bodies(receive())).toEqual(['a1', 'a2']);
    clock.advanceTo(clock.now() + 150 * second - 1);
    expect(receive()).toEqual([]);
    clock.advanceTo(clock.now() + 1);
    expect(receive().map(({ body, receiveCount }) => [body, receiveCount])).toEqual([
      ['a1', 2],
      ['a2', 2],
    ]);
  });

  it('accepts a deduplication id once in 5 minutes, also after the message was deleted', () => {
    const { clock, engine, send, receive } = fifo();
    const first = send('A', 'body', 'id');
    engine.delete('orders.fifo', receive()[0]!.receiptHandle);
    clock.advanceTo(clock.now() + 5 * minute - 1);
    expect(send('A', 'body', 'id')).toEqual(first);
    expect(receive()).toEqual([]);
    clock.advanceTo(clock.now() + 1);
    expect(send('A', 'body', 'id').messageId).not.toBe(first.messageId);
    expect(receive()).toHaveLength(1);
  });

  it('moves a message that was received 3 times to the dead-letter queue and unblocks its group', () => {
    const { clock, engine, send, receive } = fifo({ deadLetter: { queue: 'dead.fifo', maxReceiveCount: 3 } });
    engine.createQueue(queueSettings('dead.fifo'));
    send('A', 'poison');
    send('A', 'good');
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const [poison, good] = receive();
      expect(poison).toMatchObject({ body: 'poison', receiveCount: attempt });
      if (attempt < 3) engine.changeVisibility('orders.fifo', good!.receiptHandle, 0);
      else engine.delete('orders.fifo', good!.receiptHandle);
      clock.advanceTo(clock.now() + 150 * second);
    }
    expect(receive()).toEqual([]);
    expect(engine.receive('dead.fifo')).toMatchObject([
      { body: 'poison', groupId: 'A', deadLetterSource: 'orders.fifo' },
    ]);
  });

  it('refuses to delete with a receipt whose visibility has ended', () => {
    const { clock, engine, send, receive } = fifo();
    send('A', 'a1');
    const [late] = receive();
    clock.advanceTo(clock.now() + 150 * second);
    expect(() => {
      engine.delete('orders.fifo', late!.receiptHandle);
    }).toThrow(/receipt handle has expired/);
    expect(receive()).toHaveLength(1);
  });

  it.each([
    ['no group', { body: 'x', deduplicationId: 'd' }, /must contain the parameter MessageGroupId/],
    ['no deduplication id', { body: 'x', groupId: 'A' }, /ContentBasedDeduplication/],
    [
      'a delay of its own',
      { body: 'x', groupId: 'A', deduplicationId: 'd', delaySeconds: 1 },
      /not valid for this queue type/,
    ],
    ['an empty body', { body: '', groupId: 'A', deduplicationId: 'd' }, /MessageBody/],
    [
      'a body over 1 MiB',
      { body: 'x'.repeat(sqsLimits.messageBytes + 1), groupId: 'A', deduplicationId: 'd' },
      /shorter than 1048576 bytes/,
    ],
    ['a character that XML cannot carry', { body: '\u0000', groupId: 'A', deduplicationId: 'd' }, /Invalid characters/],
  ])('refuses a message with %s', (_, message, expected) => {
    const { engine } = fifo();
    expect(() => engine.send('orders.fifo', message)).toThrow(expected);
  });

  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), group: fc.constantFrom('A', 'B', 'C') }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('receive' as const), limit: fc.integer({ min: 1, max: 10 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), nth: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), nth: fc.nat(5) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 200 }) }),
    },
  );

  it('agrees with a model of ordered groups, visibility and dead letters, whatever happens', () => {
    const maxReceiveCount = 3;
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const { clock, database, engine, send, receive } = fifo({
          deadLetter: { queue: 'dead.fifo', maxReceiveCount },
        });
        engine.createQueue(queueSettings('dead.fifo'));
        interface Modelled {
          readonly group: string;
          readonly body: string;
          count: number;
          visibleAt: number;
        }
        let live: Modelled[] = [];
        const dead: string[] = [];
        let held: ReceivedMessage[] = [];
        let sent = 0;

        const settle = () => {
          const isDead = (m: Modelled) => m.count >= maxReceiveCount && m.visibleAt <= clock.now();
          dead.push(...live.filter(isDead).map(({ body }) => body));
          live = live.filter((m) => !isDead(m));
        };
        const takeHeld = (nth: number): ReceivedMessage | undefined =>
          held.splice(nth % Math.max(held.length, 1), 1)[0];

        for (const step of commands) {
          switch (step.kind) {
            case 'send': {
              const body = `m${String((sent += 1))}`;
              send(step.group, body);
              live.push({ group: step.group, body, count: 0, visibleAt: clock.now() });
              break;
            }
            case 'receive': {
              settle();
              const inFlight = new Set(
                live.filter((m) => m.count > 0 && m.visibleAt > clock.now()).map(({ group }) => group),
              );
              const expected = live.filter((m) => !inFlight.has(m.group)).slice(0, step.limit);
              const received = receive(step.limit);
              expect(bodies(received)).toEqual(expected.map(({ body }) => body));
              for (const m of expected) {
                m.count += 1;
                m.visibleAt = clock.now() + 150 * second;
              }
              held.push(...received);
              break;
            }
            case 'delete': {
              const message = takeHeld(step.nth);
              if (message === undefined) break;
              const m = live.find(({ body }) => body === message.body);
              const mayDelete = m !== undefined && m.count === message.receiveCount && m.visibleAt > clock.now();
              try {
                engine.delete('orders.fifo', message.receiptHandle);
                live = live.filter(({ body }) => !mayDelete || body !== message.body);
              } catch {
                expect(mayDelete).toBe(false);
              }
              break;
            }
            case 'release': {
              const message = takeHeld(step.nth);
              const m = live.find(({ body }) => body === message?.body);
              if (message === undefined || m?.count !== message.receiveCount || m.visibleAt <= clock.now()) break;
              engine.changeVisibility('orders.fifo', message.receiptHandle, 0);
              m.visibleAt = clock.now();
              break;
            }
            case 'wait':
              clock.advanceTo(clock.now() + step.seconds * second);
          }
        }

        // Nothing was lost: what was not deleted is in the queue or in its dead-letter queue.
        settle();
        const counts = engine.statistics('orders.fifo');
        expect(counts.visible + counts.inFlight).toBe(live.length);
        expect(engine.statistics('dead.fifo').visible).toBe(dead.length);
        held = [];
        database.close();
      }),
      { numRuns: 200 },
    );
  });
});

describe('standard queue', () => {
  const standard = () => {
    const local = localQueues();
    local.engine.createQueue(queueSettings('follow-up'));
    return local;
  };

  it('hides a delayed message until its delay is over', () => {
    const { clock, engine } = standard();
    engine.send('follow-up', { body: 'later', delaySeconds: 30 });
    expect(engine.receive('follow-up')).toEqual([]);
    expect(engine.statistics('follow-up')).toEqual({ visible: 0, inFlight: 0, delayed: 1, oldestAgeSeconds: 0 });
    expect(engine.nextVisibleAt()).toBe(clock.now() + 30 * second);
    clock.advanceTo(clock.now() + 30 * second);
    expect(engine.nextVisibleAt()).toBeNull();
    expect(bodies(engine.receive('follow-up'))).toEqual(['later']);
    expect(engine.statistics('follow-up')).toEqual({ visible: 0, inFlight: 1, delayed: 0, oldestAgeSeconds: 30 });
  });

  it('deletes nothing with an older receipt than the newest, and a message with the newest even when it is late', () => {
    const { clock, engine } = standard();
    engine.send('follow-up', { body: 'x' });
    const [first] = engine.receive('follow-up', { visibilityTimeoutSeconds: 1 });
    clock.advanceTo(clock.now() + second);
    const [second_] = engine.receive('follow-up', { visibilityTimeoutSeconds: 1 });
    clock.advanceTo(clock.now() + second);
    engine.delete('follow-up', first!.receiptHandle);
    expect(engine.statistics('follow-up').visible).toBe(1);
    engine.delete('follow-up', second_!.receiptHandle);
    expect(engine.statistics('follow-up').visible).toBe(0);
    engine.delete('follow-up', second_!.receiptHandle);
  });

  it('does not block a group, as it has none', () => {
    const { engine } = standard();
    for (const body of ['1', '2']) engine.send('follow-up', { body, groupId: 'A' });
    expect(bodies(engine.receive('follow-up', { limit: 1 }))).toEqual(['1']);
    expect(bodies(engine.receive('follow-up'))).toEqual(['2']);
  });

  it('drops messages older than the retention', () => {
    const { clock, engine } = standard();
    engine.send('follow-up', { body: 'old' });
    clock.advanceTo(clock.now() + 345_600 * second);
    expect(engine.receive('follow-up')).toEqual([]);
  });

  it('refuses a handle that it did not give, and a queue that does not exist', () => {
    const { engine } = standard();
    expect(() => {
      engine.delete('follow-up', 'nonsense');
    }).toThrow(expect.objectContaining({ code: 'ReceiptHandleIsInvalid' }));
    expect(() => engine.receive('other')).toThrow(expect.objectContaining({ code: 'QueueDoesNotExist' }));
  });
});

describe('durability', () => {
  it('keeps messages, flights and deduplication when its process is killed at once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'torghut-queue-'));
    try {
      const path = join(directory, 'local.sqlite');
      const local = (file: string) => JSON.stringify(join(import.meta.dirname, '../../../infra/local', file));
      const script = `
        import { openLocalDatabase } from ${local('aws/local-database.ts')};
        import { QueueEngine } from ${local('aws/queue-engine.ts')};
        import { ReplayClock } from ${local('clock.ts')};
        const engine = new QueueEngine(openLocalDatabase(${JSON.stringify(path)}), new ReplayClock(${startAt}));
        engine.createQueue(${JSON.stringify(queueSettings('orders.fifo'))});
        for (const body of ['a1', 'a2']) engine.send('orders.fifo', { body, groupId: 'A', deduplicationId: body });
        engine.send('orders.fifo', { body: 'b1', groupId: 'B', deduplicationId: 'b1' });
        engine.receive('orders.fifo', { limit: 1 });
        process.kill(process.pid, 'SIGKILL');`;
      const killed = spawnSync(process.execPath, [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module',
        '--eval',
        script,
      ]);
      expect(killed.stderr.toString()).toBe('');
      expect(killed.signal).toBe('SIGKILL');

      const { clock, database, engine } = localQueues(path);
      expect(engine.queueNames()).toEqual(['orders.fifo']);
      engine.send('orders.fifo', { body: 'a1 again', groupId: 'A', deduplicationId: 'a1' });
      expect(bodies(engine.receive('orders.fifo'))).toEqual(['b1']);
      clock.advanceTo(clock.now() + 150 * second);
      expect(bodies(engine.receive('orders.fifo'))).toEqual(['a1', 'a2', 'b1']);
      database.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
