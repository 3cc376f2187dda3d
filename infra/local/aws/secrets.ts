import * as z from 'zod';
import { second, sha256, type Clock, type Instant } from '@torghut/domain';
import { type Operation, operation } from './operation.ts';

interface SecretVersion {
  readonly id: string;
  readonly value: string;
  readonly createdAt: Instant;
}
interface Secret {
  readonly current: SecretVersion;
  readonly previous: SecretVersion | null;
}

export class SecretNotFound extends Error {
  override readonly name = 'SecretNotFound';
}

const versionStages = ['AWSCURRENT', 'AWSPREVIOUS'] as const;

/** Secrets by name, in memory only: the one-machine deployment makes them up at every start. */
export class SecretStore {
  readonly #secrets = new Map<string, Secret>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Stores a new current version; the one before stays readable as AWSPREVIOUS, as after a rotation. */
  put(name: string, value: string): void {
    const previous = this.#secrets.get(name)?.current ?? null;
    const id = sha256(`${name}:${previous?.id ?? ''}`).slice(0, 32);
    this.#secrets.set(name, { current: { id, value, createdAt: this.#clock.now() }, previous });
  }

  /** @throws SecretNotFound */
  version(name: string, stage: (typeof versionStages)[number]): SecretVersion {
    const secret = this.#secrets.get(name);
    const version = stage === 'AWSCURRENT' ? secret?.current : secret?.previous;
    if (!version) throw new SecretNotFound("Secrets Manager can't find the specified secret.");
    return version;
  }
}

/** @param arnOf ARN of a secret by its name; a caller may use either. */
export const secretsOperations = (
  secrets: SecretStore,
  arnOf: (name: string) => string,
): Record<string, Operation> => ({
  GetSecretValue: operation(
    z.strictObject({ SecretId: z.string(), VersionStage: z.enum(versionStages).default('AWSCURRENT') }),
    ({ SecretId, VersionStage }) => {
      const name = SecretId.startsWith(arnOf('')) ? SecretId.slice(arnOf('').length) : SecretId;
      const { id, value, createdAt } = secrets.version(name, VersionStage);
      return {
        ARN: arnOf(name),
        Name: name,
        VersionId: id,
        VersionStages: [VersionStage],
        SecretString: value,
        CreatedDate: createdAt / second,
      };
    },
  ),
});
