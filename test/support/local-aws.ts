import { createEventBridgeClient, createSecretsManagerClient, createSqsClient } from '@torghut/platform';
import { ReplayClock } from '../../infra/local/clock.ts';
import { startAwsEndpoint } from '../../infra/local/aws/endpoint.ts';
import { EventLog } from '../../infra/local/aws/events.ts';
import { openLocalDatabase } from '../../infra/local/aws/local-database.ts';
import { QueueEngine, type QueueSettings } from '../../infra/local/aws/queue-engine.ts';
import { SecretStore } from '../../infra/local/aws/secrets.ts';

export const startAt = Date.parse('2026-02-13T14:30:00.000Z');

/** Settings of a queue as the control plane deploys them, unless the test says otherwise. */
export const queueSettings = (name: string, change: Partial<QueueSettings> = {}): QueueSettings => ({
  name,
  fifo: name.endsWith('.fifo'),
  contentBasedDeduplication: false,
  visibilityTimeoutSeconds: 150,
  delaySeconds: 0,
  retentionSeconds: 345_600,
  deadLetter: null,
  ...change,
});

/** Queues on a virtual clock, in memory unless a file is named. */
export const localQueues = (path = ':memory:') => {
  const clock = new ReplayClock(startAt);
  const database = openLocalDatabase(path);
  return { clock, database, engine: new QueueEngine(database, clock) };
};

/** The AWS endpoint of the one-machine deployment, with the real SDK clients connected to it. */
export const localAws = async () => {
  const { clock, database, engine } = localQueues();
  const secrets = new SecretStore(clock);
  const events = new EventLog(database);
  const endpoint = await startAwsEndpoint({ engine, secrets, events, clock });
  const connection = {
    region: 'us-east-1',
    endpoint: endpoint.url,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  };
  const sqs = createSqsClient(connection);
  const secretsManager = createSecretsManagerClient(connection);
  const eventBridge = createEventBridgeClient(connection);
  return {
    clock,
    engine,
    secrets,
    events,
    endpoint,
    sqs,
    secretsManager,
    eventBridge,
    close: async () => {
      for (const client of [sqs, secretsManager, eventBridge]) client.destroy();
      await endpoint.stop();
      database.close();
    },
  };
};
export type LocalAws = Awaited<ReturnType<typeof localAws>>;
