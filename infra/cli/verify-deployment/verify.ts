import { type Clock, type Instant, toText } from '@torghut/domain';
import type { AwsClients } from './aws.ts';
import { type Check, type Finding, type Sources, Unanswered } from './check.ts';
import { alarms } from './checks/alarms.ts';
import { codeHash } from './checks/code-hash.ts';
import { deadLetters } from './checks/dead-letters.ts';
import { privileges, schema } from './checks/ledger.ts';
import { metricsCloudWatch, metricsEndpoint } from './checks/metrics.ts';
import { readiness } from './checks/readiness.ts';
import { laneRuns, researchWrites } from './checks/research.ts';
import { routes } from './checks/routes.ts';
import { stacks } from './checks/stacks.ts';
import { type Deployment, findDeployment, partOf } from './deployment.ts';
import { missingApi, operatorApi } from './operator-api.ts';

/** Every check, in the order of a rollout. */
const checks = {
  stacks,
  schema,
  privileges,
  readiness,
  'code-hash': codeHash,
  'metrics-endpoint': metricsEndpoint,
  'metrics-cloudwatch': metricsCloudWatch,
  routes,
  'research-writes': researchWrites,
  'lane-runs': laneRuns,
  'dead-letters': deadLetters,
  alarms,
} as const satisfies Readonly<Record<string, Check>>;
export type CheckName = keyof typeof checks;

/** Checks of what only trading and research leave behind, which a first rollout cannot show yet. */
export const lateChecks = [
  'metrics-cloudwatch',
  'routes',
  'research-writes',
  'lane-runs',
] as const satisfies readonly CheckName[];
export type LateCheck = (typeof lateChecks)[number];

export interface Result extends Finding {
  readonly name: CheckName;
  /** Whether an unknown outcome of it is accepted. */
  readonly allowed: boolean;
  readonly readAt: Instant;
}

export interface Verification {
  /** Null when the deployment was not found. */
  readonly region: string | null;
  /** Null when the deployment was not found. */
  readonly since: Instant | null;
  readonly results: readonly Result[];
}

export interface Request {
  readonly clock: Clock;
  readonly environment: string;
  readonly aws: AwsClients;
  readonly stackPrefix: string;
  /** Null: since the functions were deployed. */
  readonly since: Instant | null;
  readonly expectedCodeHash: string | null;
  /** Checks whose unknown outcome is accepted. A failure never is. */
  readonly allowUnknown: readonly LateCheck[];
}

/** Output of the operator stack that says where the API is. */
export const apiUrlOutput = 'OperatorApiUrl';

const notFound = (reason: string): Pick<Finding, 'value' | 'limit' | 'reason' | 'details'> => ({
  value: 'not read',
  limit: '',
  reason,
  details: [],
});

/** An answer that did not come is a failure: what must be shown was not shown. */
const runCheck = async (check: Check, sources: Sources): Promise<Finding> => {
  try {
    return await check(sources);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    return { outcome: 'fail', ...notFound(error.message) };
  }
};

const sourcesOf = ({ clock, environment, aws, since, expectedCodeHash }: Request, deployment: Deployment): Sources => {
  const url = partOf(deployment, 'operator')?.outputs[apiUrlOutput];
  return {
    clock,
    environment,
    aws,
    deployment,
    api:
      url === undefined
        ? missingApi(`the operator API was not asked: ${deployment.prefix}operator has no output ${apiUrlOutput}`)
        : operatorApi({ url, region: deployment.region, credentials: aws.credentials, clock }),
    // Without a runtime stack nothing was deployed, and every check says so for itself.
    since: since ?? partOf(deployment, 'runtime')?.changedAt ?? clock.now(),
    expectedCodeHash,
  };
};

/** Finds the deployment and makes every check once, each against what is there at that moment. */
export const verify = async (request: Request): Promise<Verification> => {
  const { clock } = request;
  const result = (name: CheckName, finding: Finding): Result => ({
    ...finding,
    name,
    allowed: (request.allowUnknown as readonly CheckName[]).includes(name),
    readAt: clock.now(),
  });
  const names = Object.keys(checks) as CheckName[];

  let deployment: Deployment;
  try {
    deployment = await findDeployment(request.aws, request.stackPrefix);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    const { message } = error;
    return {
      region: null,
      since: null,
      results: names.map((name) =>
        name === 'stacks'
          ? result(name, { outcome: 'fail', ...notFound(message) })
          : // Not to be waved through: nothing was looked at.
            { ...result(name, { outcome: 'unknown', ...notFound('the stacks were not found') }), allowed: false },
      ),
    };
  }
  const sources = sourcesOf(request, deployment);
  return {
    region: deployment.region,
    since: sources.since,
    results: await Promise.all(names.map(async (name) => result(name, await runCheck(checks[name], sources)))),
  };
};

/** 0: shown to work; 1: something failed; 3: nothing failed, and evidence is missing that was not waived. */
export const exitCodeOf = ({ results }: Verification): 0 | 1 | 3 => {
  if (results.some(({ outcome }) => outcome === 'fail')) return 1;
  return results.some(({ outcome, allowed }) => outcome === 'unknown' && !allowed) ? 3 : 0;
};

const roundMs = 10_000;

/**
 * Verifies again every few seconds until everything is shown or the time is up.
 * @param waiting is told after each round that did not suffice
 */
export const verifyWithin = async (
  request: Request,
  waitMs: number,
  waiting: (verification: Verification) => void,
): Promise<Verification> => {
  const { clock } = request;
  const end = clock.now() + waitMs;
  for (;;) {
    const verification = await verify(request);
    const left = end - clock.now();
    if (exitCodeOf(verification) === 0 || left <= 0) return verification;
    waiting(verification);
    await clock.sleep(Math.min(roundMs, left));
  }
};

/** One line per result with the time of its reading, then why it is not ok and what else was found. */
export const linesOf = ({ results }: Verification): readonly string[] => {
  const widest = Math.max(...results.map(({ name }) => name.length));
  return results.flatMap(({ outcome, name, value, limit, reason, details, allowed, readAt }) => [
    `${outcome.padEnd(7)}  ${name.padEnd(widest)}  ${value}${limit === '' ? '' : ` (expected: ${limit})`}, ${toText(readAt)}`,
    ...(reason === '' ? [] : [`         why: ${reason}${outcome === 'unknown' && allowed ? ' (accepted)' : ''}`]),
    ...details.map((detail) => `         - ${detail}`),
  ]);
};
