import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { secretLogicalId } from '../../infra/constructs/logical-id.ts';
import type { AwsClients, AwsEndpoint } from './aws.ts';
import type { Cdk, Deployed } from './cdk.ts';
import { ClaimFailed } from './claim.ts';
import type { DeployedStage } from './deployed.ts';
import type { Machine } from './machine.ts';
import type { OperatorApi } from './operator-api.ts';
import type { Report } from './report.ts';
import type { Schedules } from './schedules.ts';
import type { World, WorldSecret } from './world.ts';

/** Everything a claim may look at or touch. */
export interface Emulation {
  readonly machine: Machine;
  readonly report: Report;
  readonly endpoint: AwsEndpoint;
  /** What the emulator says about itself; null for an endpoint that somebody else runs. */
  readonly emulatorLog: string | null;
  readonly aws: AwsClients;
  readonly cdk: Cdk;
  readonly stage: DeployedStage;
  readonly schedules: Schedules;
  readonly world: World;
  readonly api: OperatorApi;
  /** Settings that the stacks are synthesized with. */
  readonly settings: Readonly<Record<string, string>>;
  /** The cloud assembly that is deployed. */
  readonly assembly: string;
}

export const allStacks = 'torghut-paper/*';
export const stackPath = (name: string): string => `torghut-paper/${name}`;
export const stackName = (name: string): string => `torghut-paper-${name}`;

/** @throws ClaimFailed with what the CDK wrote */
export const succeeded = (what: string, deployed: Deployed): Deployed => {
  if (!deployed.ok)
    throw new ClaimFailed(`${what} to succeed`, deployed.output.trim().split('\n').slice(-40).join('\n'));
  return deployed;
};

/** The operator puts a value into a secret that the deployment made. */
export const putSecret = async (
  { aws, stage }: Pick<Emulation, 'aws' | 'stage'>,
  name: WorldSecret,
  value: string,
): Promise<void> => {
  const id = await stage.physicalId(secretLogicalId(name));
  await aws.secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString: value }));
};

export const putSecrets = async (
  emulation: Pick<Emulation, 'aws' | 'stage'>,
  secrets: World['secrets'],
): Promise<void> => {
  for (const [name, value] of Object.entries(secrets))
    await putSecret(emulation, name as WorldSecret, JSON.stringify(value));
};
