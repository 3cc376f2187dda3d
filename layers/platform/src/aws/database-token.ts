import { Signer } from '@aws-sdk/rds-signer';
import type { Clock } from '@torghut/domain';
import type { AwsClientOptions } from './clients.ts';
import { cachedCredentials, type Credentials } from './credentials.ts';
import type { DatabaseLogin } from '../postgres/pool.ts';

export interface DatabaseTokenConfig extends Pick<AwsClientOptions, 'region' | 'credentials'> {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly clock: Clock;
}

/** A token opens connections for 15 minutes; one that is kept must have time left when it is used. */
const maxAgeSeconds = 10 * 60;

/**
 * Passwords for a database user that signs in with the identity of the function (IAM): signed here, without a call. A new
 * one is made when the last one is about to end or was refused.
 */
export const databaseTokens = ({
  host,
  port,
  user,
  clock,
  ...aws
}: DatabaseTokenConfig): Credentials<DatabaseLogin> => {
  const signer = new Signer({ ...aws, hostname: host, port, username: user });
  return cachedCredentials({ read: async () => ({ password: await signer.getAuthToken() }), clock, maxAgeSeconds });
};
