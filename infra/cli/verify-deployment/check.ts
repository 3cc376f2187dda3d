import type { Clock, Instant } from '@torghut/domain';
import type { AwsClients } from './aws.ts';
import type { Deployment } from './deployment.ts';
import type { OperatorApi } from './operator-api.ts';

/** `unknown`: the evidence does not exist yet. It is not ok. */
export type Outcome = 'ok' | 'fail' | 'unknown';

/** What one check found out. */
export interface Finding {
  readonly outcome: Outcome;
  readonly value: string;
  /** What the value has to be; empty when there is no value. */
  readonly limit: string;
  /** Why it is not ok and what to do about it; empty when it is. */
  readonly reason: string;
  /** More of the evidence, a line each. */
  readonly details: readonly string[];
}

/** What checks read. */
export interface Sources {
  readonly clock: Clock;
  /** Which environment of the account. */
  readonly environment: string;
  readonly deployment: Deployment;
  readonly aws: AwsClients;
  readonly api: OperatorApi;
  /** Start of the span in which evidence counts. */
  readonly since: Instant;
  /** The code that was meant to be deployed; null when the caller did not say. */
  readonly expectedCodeHash: string | null;
}

export type Check = (sources: Sources) => Promise<Finding>;

type Found = Pick<Finding, 'value' | 'limit'> & Partial<Pick<Finding, 'details'>>;

export const ok = (found: Found): Finding => ({ details: [], ...found, outcome: 'ok', reason: '' });
export const failed = (reason: string, found: Found): Finding => ({ details: [], ...found, outcome: 'fail', reason });
export const unknown = (reason: string, found: Found): Finding => ({
  details: [],
  ...found,
  outcome: 'unknown',
  reason,
});

/** Somebody who was asked did not give an answer that says anything; the message says who, why, and what to do. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}
