import { type Instant, parseInstant } from '@torghut/domain';
import * as z from 'zod';
import { type EnvironmentName, environmentNames } from '../../config.ts';
import { parseOptions, UsageError } from '../options.ts';
import { type LateCheck, lateChecks } from './verify.ts';

export interface Arguments {
  readonly help: boolean;
  readonly environment: EnvironmentName;
  readonly region: string | null;
  readonly endpoint: string | null;
  readonly stackPrefix: string;
  readonly since: Instant | null;
  readonly expectedCodeHash: string | null;
  readonly allowUnknown: readonly LateCheck[];
  readonly jsonFile: string | null;
  readonly waitSeconds: number;
}

export const usage = `usage: npx torghut verify-deployment --environment ${environmentNames.join('|')} [options]
Asks CloudFormation, the deployed operator API (signed with your AWS credentials), CloudWatch, Lambda and SQS, and prints
one line per check. It changes nothing.
  --environment NAME        which environment
  --region REGION           by default that of the environment or profile
  --endpoint URL            another place than AWS, such as an emulator
  --stack-prefix PREFIX     beginning of the stacks' names (default torghut-<environment>-)
  --since TIME              start of the evidence, ISO-8601 with a zone (default: when the functions were deployed)
  --expect-code-hash HASH   the code that was meant to be deployed, 64 hex digits
  --allow-unknown A,B       accept that these have nothing to show yet: ${lateChecks.join(', ')}
  --wait SECONDS            try again until everything is shown or the time is up (0 to 3600)
  --json FILE               write the results as JSON, too
  --help
exit code 0: everything is ok; 1: something failed; 2: wrong option; 3: evidence is missing`;

const options = {
  environment: { type: 'string' },
  region: { type: 'string' },
  endpoint: { type: 'string' },
  'stack-prefix': { type: 'string' },
  since: { type: 'string' },
  'expect-code-hash': { type: 'string' },
  'allow-unknown': { type: 'string' },
  wait: { type: 'string' },
  json: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** What each option takes, in the words of the error message. */
const optionSchemas = {
  environment: z.enum(environmentNames).describe(environmentNames.join(' or ')),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/)
    .nullable()
    .describe('a region such as us-east-1'),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .nullable()
    .describe('an http or https URL'),
  'stack-prefix': z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]*$/)
    .nullable()
    .describe('letters, digits and -'),
  since: z.iso
    .datetime({ offset: true })
    .transform(parseInstant)
    .nullable()
    .describe('an ISO-8601 time with a zone such as 2026-02-13T15:00:00Z'),
  'expect-code-hash': z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .describe('64 hex digits'),
  'allow-unknown': z
    .string()
    .nullable()
    .transform((text) => (text === null ? [] : text.split(',')))
    .pipe(z.array(z.enum(lateChecks)))
    .describe(`a comma-separated list of ${lateChecks.join(', ')}`),
  wait: z
    .string()
    .regex(/^\d{1,4}$/)
    .nullable()
    .transform((text) => Number(text ?? '0'))
    .pipe(z.number().max(3_600))
    .describe('a whole number of seconds from 0 to 3600'),
} as const;

const read = <const Name extends keyof typeof optionSchemas>(
  name: Name,
  value: string | undefined,
): z.output<(typeof optionSchemas)[Name]> => {
  const schema: z.ZodType = optionSchemas[name];
  const parsed = schema.safeParse(value ?? null);
  if (parsed.success) return parsed.data as z.output<(typeof optionSchemas)[Name]>;
  const found = value === undefined ? 'nothing' : `"${value}"`;
  throw new UsageError(`--${name}: expected ${schema.description ?? ''}, found ${found}`);
};

/** @throws UsageError naming the option, what was expected and what was found. */
export const parseArguments = (words: readonly string[]): Arguments => {
  const values = parseOptions(words, options);
  const help = values.help ?? false;
  const environment = read('environment', help ? (values.environment ?? environmentNames[0]) : values.environment);
  return {
    help,
    environment,
    region: read('region', values.region),
    endpoint: read('endpoint', values.endpoint),
    stackPrefix: read('stack-prefix', values['stack-prefix']) ?? `torghut-${environment}-`,
    since: read('since', values.since),
    expectedCodeHash: read('expect-code-hash', values['expect-code-hash']),
    allowUnknown: read('allow-unknown', values['allow-unknown']),
    jsonFile: values.json ?? null,
    waitSeconds: read('wait', values.wait),
  };
};
