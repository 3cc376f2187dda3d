import { parseOptions, UsageError } from '../../infra/cli/options.ts';

/** Options of the emulator run. */
export interface Arguments {
  readonly help: boolean;
  /** AWS-compatible endpoint to drive; null starts one. */
  readonly endpoint: string | null;
  readonly jsonFile: string | null;
  readonly keep: boolean;
  /** End after the deployment, without a claim. */
  readonly deployOnly: boolean;
}

export const usage = `usage: npm run emulator [-- options]
  Deploys the stacks into an AWS emulator on this machine, drives them through the AWS API, and says what holds.
  --endpoint URL  drive this AWS-compatible endpoint, with the AWS credentials of the environment; it has to reach
                  services on this machine's loopback address
  --json FILE     write claims and figures as JSON
  --deploy-only   end after the deployment; nothing is shown but how long it took
  --keep          leave everything running after the claims, until Ctrl-C, and do not destroy the stacks
  --help`;

const options = {
  endpoint: { type: 'string' },
  json: { type: 'string' },
  keep: { type: 'boolean' },
  'deploy-only': { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** @throws UsageError naming the option, what was expected and what was found. */
export const parseArguments = (words: readonly string[]): Arguments => {
  const { endpoint, json, keep, help, 'deploy-only': deployOnly } = parseOptions(words, options);
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    throw new UsageError(`--endpoint: expected an http or https URL, found "${endpoint}"`);
  if (keep === true && deployOnly === true)
    throw new UsageError('--keep and --deploy-only: expected one of them, found both');
  return {
    help: help ?? false,
    endpoint: endpoint ?? null,
    jsonFile: json ?? null,
    keep: keep ?? false,
    deployOnly: deployOnly ?? false,
  };
};
