import {
  minute,
  parseSettings,
  queues,
  secretKeys,
  SettingsError,
  type BrokerAsset,
  type BrokerReads,
  eventBusKey,
  evidenceKeys,
  metricsNamespaceKey,
  type Clock,
  type EventBus,
  type Hash,
  type Instant,
  type MessagePublisher,
  type Settings,
  type Ticker,
} from '@torghut/domain';
import type { EvidenceStore, Signer, VerificationKey } from '@torghut/domain/evidence';
import * as z from 'zod';
import {
  createEventBridgeClient,
  createSecretsManagerClient,
  createSqsClient,
  type AwsClientOptions,
} from '../aws/clients.ts';
import { eventBus } from '../aws/event-bus.ts';
import { fixedCredentials, type Credentials } from '../aws/credentials.ts';
import { secretsReader, type SecretsReader } from '../aws/secrets-reader.ts';
import { sqsPublisher, type TopicQueue } from '../aws/sqs-publisher.ts';
import type { AlpacaConfig } from '../alpaca/connection.ts';
import type { ClickHouse, createClickHouse } from '../clickhouse/client.ts';
import { systemClock } from '../clock.ts';
import { apiKeySecret, type ApiKey } from '../http/api-key.ts';
import { httpExchange, type Exchange } from '../http/exchange.ts';
import type { LeanConfig } from '../lean/venue.ts';
import type { JangarConfig } from '../jangar/universe.ts';
import { checkBoot } from '../postgres/boot-check.ts';
import type { Pool } from '../postgres/pool.ts';
import type { InvocationTelemetry } from '../telemetry/invocation-telemetry.ts';
import { createTelemetry } from '../telemetry/powertools.ts';
import { databaseAddress, openDatabase } from './database.ts';
import type { openEvidence, openSigner, openVerificationKeys } from './evidence.ts';
import type { Invocation } from './invocation.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the one-machine deployment and tests bring along instead of what the environment names. */
export interface Overrides {
  readonly clock?: Clock;
  readonly telemetry?: InvocationTelemetry;
  readonly secrets?: SecretsReader;
  readonly database?: Pool;
  readonly clickhouse?: ClickHouse;
  /** How venues and Jangar are talked to. */
  readonly exchange?: Exchange;
  readonly publisher?: MessagePublisher;
  readonly evidence?: EvidenceStore;
  readonly signer?: Signer;
}

/** Everything a function can reach, opened when it is first asked for. */
export interface Connections {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly telemetry: InvocationTelemetry;
  /** Content hash of the deployed domain layer: the code a decision was made with. */
  readonly codeHash: Hash;
  readonly secrets: () => SecretsReader;
  readonly database: () => Promise<Pool>;
  /**
   * The same pool, for functions that trade: refused unless schema, privileges and controls are what this code needs.
   * @throws BootRefused
   */
  readonly ledger: () => Promise<Pool>;
  readonly ensureBoot: Invocation['ensureBoot'];
  /**
   * A secret that cannot be read is an answer of the first query: a store that cannot be asked must stop nothing else.
   * `create` is brought by whoever asks, so that nobody else loads the client.
   */
  readonly clickhouse: (create: typeof createClickHouse) => ClickHouse;
  readonly alpaca: () => AlpacaConfig;
  readonly lean: () => LeanConfig;
  readonly jangar: () => JangarConfig;
  readonly publisher: () => MessagePublisher;
  readonly events: () => EventBus;
  /** `open` is brought by whoever asks, so that nobody else loads the client. */
  readonly evidence: (open: typeof openEvidence) => EvidenceStore;
  readonly signer: (open: typeof openSigner) => Promise<Signer>;
  /** Keys whose signatures count: those that were published with the release, and the one that signs now. */
  readonly verificationKeys: (open: typeof openVerificationKeys) => Promise<readonly VerificationKey[]>;
}

/** The database is not one this code works with. Nothing is traded; the next invocation looks again. */
export class BootRefused extends Error {
  override readonly name = 'BootRefused';

  constructor(problems: readonly string[]) {
    super(`refused to start: ${problems.join('; ')}`);
  }
}

const clickhouseSecret = z.object({ username: z.string().min(1), password: z.string() });
const alpacaSecret = z
  .object({ key_id: z.string().min(1), secret_key: z.string().min(1) })
  .transform(({ key_id, secret_key }) => ({ keyId: key_id, secretKey: secret_key }));

/** How long the answer of a boot check that found nothing wrong is good for. */
const bootCheckMs = minute;

/** A statement of the trading path must fail well before the function does. */
const statementTimeoutMs = 8_000;

/**
 * Opens what `environment` names for one function.
 * @throws SettingsError naming every setting at fault.
 */
export const connect = (service: string, environment: Environment, overrides: Overrides = {}): Connections => {
  const settings = parseSettings(environment);
  const clock = overrides.clock ?? systemClock;
  const telemetry = overrides.telemetry ?? createTelemetry({ service, namespace: environment[metricsNamespaceKey] });
  const codeHash = environment['TORGHUT_CODE_HASH'];
  if (codeHash === undefined || !/^[0-9a-f]{64}$/.test(codeHash)) {
    throw new SettingsError([
      `TORGHUT_CODE_HASH: expected the 64 hex digits of the domain layer, found "${codeHash ?? ''}"`,
    ]);
  }
  const required = (key: string): string => {
    const value = environment[key];
    if (value === undefined || value === '') throw new SettingsError([`${key}: expected a value, found none`]);
    return value;
  };
  const requiredUrl = (key: string, value: string | null): string => value ?? required(key);

  const endpoint = environment['AWS_ENDPOINT_URL'];
  const awsOptions: AwsClientOptions = {
    ...(environment['AWS_REGION'] === undefined ? {} : { region: environment['AWS_REGION'] }),
    ...(endpoint === undefined
      ? {}
      : {
          endpoint,
          credentials: {
            accessKeyId: required('AWS_ACCESS_KEY_ID'),
            secretAccessKey: required('AWS_SECRET_ACCESS_KEY'),
            // A function's role is temporary, and its keys mean nothing without it.
            ...(environment['AWS_SESSION_TOKEN'] === undefined
              ? {}
              : { sessionToken: environment['AWS_SESSION_TOKEN'] }),
          },
        }),
  };
  let reader = overrides.secrets ?? null;
  const secrets = (): SecretsReader => (reader ??= secretsReader(createSecretsManagerClient(awsOptions), { clock }));
  let pool = overrides.database === undefined ? null : Promise.resolve(overrides.database);
  const database = (): Promise<Pool> => {
    // A failed attempt is not kept: the next one reads the secret anew.
    const opening = (pool ??= openDatabase({
      address: databaseAddress(environment),
      secrets: secrets(),
      aws: awsOptions,
      clock,
      applicationName: service,
      statementTimeoutMs,
    }).catch((error: unknown) => {
      pool = null;
      throw error;
    }));
    return opening;
  };

  const exchange = overrides.exchange ?? httpExchange;
  let booted: { readonly at: Instant } | null = null;
  let checking: Promise<void> | null = null;
  const check = async (): Promise<void> => {
    const boot = await checkBoot(await database(), { now: clock.now() });
    telemetry.gauge('boot_check_ok', boot.ok ? 1 : 0);
    booted = boot.ok ? { at: boot.checkedAt } : null;
    if (!boot.ok) throw new BootRefused(boot.problems);
  };
  const ensureBoot = async (): Promise<void> => {
    if (booted !== null && clock.now() - booted.at < bootCheckMs) return;
    await (checking ??= check().finally(() => {
      checking = null;
    }));
  };

  const apiKey = (key: string): Credentials<ApiKey> => {
    const secretId = environment[key];
    return secretId === undefined || secretId === ''
      ? fixedCredentials<ApiKey>(null)
      : secrets().credentials(secretId, apiKeySecret);
  };

  return {
    settings,
    clock,
    codeHash: codeHash as Hash,
    telemetry,

    secrets,
    database,
    ensureBoot,
    ledger: async () => {
      const opened = await database();
      try {
        await ensureBoot();
      } catch (error) {
        // Not kept open: the next attempt connects anew.
        pool = null;
        await opened.end();
        throw error;
      }
      return opened;
    },

    clickhouse: (create) =>
      overrides.clickhouse ??
      create({
        url: requiredUrl('TA_CLICKHOUSE_URL', settings.TA_CLICKHOUSE_URL),
        credentials: secrets().credentials(required(secretKeys.clickhouse), clickhouseSecret),
        timeoutSeconds: settings.TA_CLICKHOUSE_TIMEOUT_SECONDS,
        clock,
      }),

    alpaca: () => ({
      baseUrl: settings.APCA_API_BASE_URL,
      credentials: secrets().credentials(required(secretKeys.alpaca), alpacaSecret),
      exchange,
    }),

    lean: () => ({
      baseUrl: requiredUrl('TRADING_LEAN_RUNNER_URL', settings.TRADING_LEAN_RUNNER_URL),
      apiKey: apiKey(secretKeys.lean),
      timeoutMs: settings.TRADING_LEAN_RUNNER_TIMEOUT_SECONDS * 1_000,
      healthTimeoutMs: settings.TRADING_LEAN_RUNNER_HEALTHCHECK_TIMEOUT_SECONDS * 1_000,
      exchange,
    }),

    jangar: () => ({
      url: settings.JANGAR_SYMBOLS_URL ?? undefined,
      apiKey: apiKey(secretKeys.jangar),
      timeoutMs: settings.TRADING_UNIVERSE_TIMEOUT_SECONDS * 1_000,
      exchange,
    }),

    events: () => eventBus(createEventBridgeClient(awsOptions), required(eventBusKey)),

    evidence: (open) => overrides.evidence ?? open(awsOptions, required(evidenceKeys.bucket)),

    signer: async (open) => overrides.signer ?? (await open(awsOptions, required(evidenceKeys.signingKey))),

    verificationKeys: (open) =>
      open(
        environment[evidenceKeys.publishedKeys] ?? '',
        overrides.signer ?? { options: awsOptions, keyId: required(evidenceKeys.signingKey) },
      ),

    publisher: () => {
      if (overrides.publisher !== undefined) return overrides.publisher;
      const topics = Object.entries(queues).flatMap(([topic, { environmentKey, fifo }]): [string, TopicQueue][] => {
        const url = environment[environmentKey];
        return url === undefined ? [] : [[topic, { url, fifo }]];
      });
      return sqsPublisher(createSqsClient(awsOptions), Object.fromEntries(topics));
    },
  };
};

const assetMaxAgeMs = 24 * 60 * 60 * 1_000;

/** What "no such asset" means to an order: known, and not to be traded. */
const absentAsset = (symbol: Ticker): BrokerAsset => ({
  symbol,
  active: false,
  tradable: false,
  shortable: false,
  easyToBorrow: false,
  fractionable: false,
  attributes: [],
  marginRequirement: null,
});

/** Asset metadata, asked once a day for each symbol; `null` when the broker did not say. */
export const assetLookup = (
  reads: Pick<BrokerReads, 'asset'>,
  clock: Clock,
): ((symbol: Ticker) => Promise<BrokerAsset | null>) => {
  const known = new Map<Ticker, { readonly asset: BrokerAsset; readonly readAt: number }>();
  return async (symbol) => {
    const cached = known.get(symbol);
    if (cached !== undefined && clock.now() - cached.readAt < assetMaxAgeMs) return cached.asset;
    const read = await reads.asset(symbol);
    // A failed read is no knowledge: it is asked again next time.
    if (!read.ok) return null;
    const asset = read.value ?? absentAsset(symbol);
    known.set(symbol, { asset, readAt: clock.now() });
    return asset;
  };
};
