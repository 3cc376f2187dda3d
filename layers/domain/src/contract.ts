/**
 * Names shared by the code that runs and the code that deploys it: functions, queues, schedules, environment keys.
 * This file imports nothing, so that the infrastructure can read it without loading the domain.
 */

/** Version of the last Postgres migration this code was built for; the boot check compares it with the database. */
export const schemaVersion = '0021';

export const metricsNamespace = 'torghut_trading';

/** Namespace in CloudWatch: environments that share an account and a region must not feed each other's alarms. */
export const metricsNamespaceOf = (environment: string): string => `${metricsNamespace}/${environment}`;

/** Environment key of that namespace; the name is that of Powertools. */
export const metricsNamespaceKey = 'POWERTOOLS_METRICS_NAMESPACE';

/** Every Lambda function of the control plane, by folder name under `functions/`. */
export const functionNames = [
  'autonomy-cycle',
  'freshness-check',
  'lean-router',
  'alpaca-router',
  'order-sync',
  'nightly-reconciliation',
  'research-lane',
  'evidence-writer',
  'operator-api',
  'migrate',
] as const;
export type FunctionName = (typeof functionNames)[number];

/**
 * Queues. Execution queues are FIFO with the group `account:symbol`; the follow-up queue is standard and delayed. One order
 * at a time: a silent venue takes 5 s, the lookups another 5 s and the answers their own time, and a second order in the
 * batch would not end within the function's timeout.
 */
export const queues = {
  lean: {
    logicalId: 'LeanExecutionQueue',
    fifo: true,
    consumer: 'lean-router',
    environmentKey: 'LEAN_QUEUE_URL',
    batchSize: 1,
  },
  alpaca: {
    logicalId: 'AlpacaExecutionQueue',
    fifo: true,
    consumer: 'alpaca-router',
    environmentKey: 'ALPACA_QUEUE_URL',
    batchSize: 1,
  },
  followUp: {
    logicalId: 'OrderFollowUpQueue',
    fifo: false,
    consumer: 'order-sync',
    environmentKey: 'FOLLOW_UP_QUEUE_URL',
    batchSize: 5,
  },
  evidence: {
    logicalId: 'EvidenceQueue',
    fifo: false,
    consumer: 'evidence-writer',
    environmentKey: 'EVIDENCE_QUEUE_URL',
    batchSize: 1,
  },
} as const;
export type QueueName = keyof typeof queues;

/** Timeouts, retries and ages of the deployment, seconds unless named otherwise. */
export const deployment = {
  routerTimeoutSeconds: 25,
  queueVisibilitySeconds: 150,
  queueReceiveCount: 3,
  scheduleRetries: 1,
  scheduleMaxEventAgeSeconds: 60,
  scheduleTimezone: 'America/New_York',
} as const;

/** EventBridge Scheduler rules: expression in New York time; the scheduled time is the input `{"scheduledFor": "..."}`. */
export const schedules = {
  'autonomy-cycle': 'cron(* 9-16 ? * MON-FRI *)',
  'freshness-check': 'cron(* 8-17 ? * MON-FRI *)',
  'order-sync': 'cron(* 4-20 ? * MON-FRI *)',
  // Nightly at 05:00, the rest of that hour for a run that failed; then every 15 minutes around the session.
  'nightly-reconciliation': 'cron(0/15 5,9-16 * * ? *)',
  // Starts the state machine that takes a run from step to step.
  'research-lane': 'cron(0/5 9-16 ? * MON-FRI *)',
} as const satisfies Partial<Record<FunctionName, string>>;
export type ScheduledFunction = keyof typeof schedules;

/** Bus for events that people and other systems listen to; the environment carries its name under this key. */
export const eventBusKey = 'EVENT_BUS_NAME';

/** Names of secrets by role; the environment carries their ARNs under these keys, never their values. */
export const secretKeys = {
  database: 'DATABASE_SECRET_ID',
  databaseOwner: 'DATABASE_OWNER_SECRET_ID',
  clickhouse: 'CLICKHOUSE_SECRET_ID',
  alpaca: 'ALPACA_SECRET_ID',
  lean: 'LEAN_SECRET_ID',
  jangar: 'JANGAR_SECRET_ID',
} as const;

/**
 * Where a database of our own is, behind its proxy: the runtime role signs in with a token of its function's identity and
 * there is no password. Without them the database secret says everything.
 */
export const databaseKeys = {
  host: 'DATABASE_HOST',
  port: 'DATABASE_PORT',
  name: 'DATABASE_NAME',
  user: 'DATABASE_USER',
} as const;

/** Where evidence is kept, what signs it, and whose signatures count beside: PEM, one key after another. */
export const evidenceKeys = {
  bucket: 'EVIDENCE_BUCKET',
  signingKey: 'SIGNING_KEY_ID',
  publishedKeys: 'EVIDENCE_PUBLIC_KEYS',
} as const;

/** Errors of the research lane that its state machine tells from others, by name. */
export const laneErrors = {
  /** Something that a step reaches for does not answer: it may answer later. */
  outOfReach: 'OutOfReach',
} as const;
