import { systemClock } from '@torghut/platform';
import * as z from 'zod';
import { environmentNames } from '../../config.ts';
import { parseWords, UsageError } from '../options.ts';
import { awsClients } from '../verify-deployment/aws.ts';
import { Unanswered } from '../verify-deployment/check.ts';
import { findDeployment, partOf } from '../verify-deployment/deployment.ts';
import { apiUrlOutput } from '../verify-deployment/verify.ts';
import { type ApiAnswer, apiExchange, type ApiExchange, parseAnswer, unexpectedStatus } from './exchange.ts';

/** Where the operator API is; every command that asks it takes these. */
const placeOptions = {
  environment: { type: 'string' },
  api: { type: 'string' },
  region: { type: 'string' },
  endpoint: { type: 'string' },
  'stack-prefix': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

const placeUsage = `  --environment NAME    ${environmentNames.join(' or ')}: its stacks say where the API is; requests are signed with your AWS credentials
  --api URL             or where it is: http://127.0.0.1:8080 for npm start; elsewhere requests are signed for --region
  --region REGION       by default that of the environment or profile
  --endpoint URL        another place than AWS, such as an emulator
  --stack-prefix PREFIX beginning of the stacks' names (default torghut-<environment>-)
  --json                print the answer as JSON
  --help`;

export interface Words {
  readonly positionals: readonly string[];
  /** Value of an option of the command; null where it was not given. */
  readonly value: (name: string) => string | null;
}

/** Where lines go: results, and what went wrong. */
export interface Output {
  readonly print: (line: string) => void;
  readonly complain: (line: string) => void;
}

const terminal: Output = {
  print: (line) => {
    console.log(line);
  },
  complain: (line) => {
    console.error(line);
  },
};

export interface Asked extends Words, Output {
  readonly json: boolean;
  readonly api: ApiExchange;
}

export interface CommandDefinition<Plan> {
  readonly name: string;
  /** The words after the name, then lines of its own options. */
  readonly usage: string;
  /** Options of its own, each with a value. */
  readonly options: readonly string[];
  /** What the words ask for. @throws UsageError before anything is asked of anybody */
  readonly plan: (words: Words) => Plan;
  /** Resolves with the exit code. @throws UsageError, Unanswered */
  readonly run: (plan: Plan, asked: Asked) => Promise<number>;
}

const regionPattern = /^[a-z]{2}(-[a-z]+)+-\d$/;
const httpUrl = z.url({ protocol: /^https?$/ });
const loopback = /^(?:127\.0\.0\.1|localhost|\[::1\])$/;

const checked = (option: string, value: string | null, isGood: (value: string) => boolean, expected: string) => {
  if (value !== null && !isGood(value)) throw new UsageError(`--${option}: expected ${expected}, found "${value}"`);
  return value;
};
const isUrl = (value: string): boolean => httpUrl.safeParse(value).success;

/** What the place options say, checked before anybody is asked. */
const readPlace = ({ value }: Words) => {
  const environment = checked(
    'environment',
    value('environment'),
    (name) => (environmentNames as readonly string[]).includes(name),
    environmentNames.join(' or '),
  );
  const api = checked('api', value('api'), isUrl, 'an http or https URL');
  if ((environment === null) === (api === null))
    throw new UsageError('expected --environment NAME or --api URL, found ' + (api === null ? 'neither' : 'both'));
  return {
    environment,
    api,
    region: checked('region', value('region'), (name) => regionPattern.test(name), 'a region such as us-east-1'),
    endpoint: checked('endpoint', value('endpoint'), isUrl, 'an http or https URL'),
    stackPrefix: checked(
      'stack-prefix',
      value('stack-prefix'),
      (name) => /^[A-Za-z][A-Za-z0-9-]*$/.test(name),
      'letters, digits and -',
    ),
  };
};

const findApi = async (place: ReturnType<typeof readPlace>): Promise<ApiExchange> => {
  const clock = systemClock;
  if (place.api !== null && loopback.test(new URL(place.api).hostname))
    return apiExchange({ url: place.api, signer: null, clock });
  const aws = awsClients(place);
  if (place.api !== null) {
    if (place.region === null)
      throw new UsageError('--region: expected the region of the API, because --api does not say it, found nothing');
    return apiExchange({ url: place.api, signer: { region: place.region, credentials: aws.credentials }, clock });
  }
  const deployment = await findDeployment(aws, place.stackPrefix ?? `torghut-${place.environment ?? ''}-`);
  const url = partOf(deployment, 'operator')?.outputs[apiUrlOutput];
  if (url === undefined) throw new Unanswered(`${deployment.prefix}operator has no output ${apiUrlOutput}; deploy it`);
  return apiExchange({ url, signer: { region: deployment.region, credentials: aws.credentials }, clock });
};

/**
 * Runs one command that asks the operator API: parses its words, finds the API, and turns what cannot be done into one
 * line. Exit code 2: words it cannot carry out; 1: no usable answer.
 */
export const runCommand = async <Plan>(
  command: CommandDefinition<Plan>,
  words: readonly string[],
  output: Output = terminal,
): Promise<number> => {
  const { name, usage } = command;
  const help = `npx torghut ${name} --help`;
  try {
    const own = Object.fromEntries(command.options.map((option) => [option, { type: 'string' as const }]));
    const { values, positionals } = parseWords(words, { ...placeOptions, ...own }, help);
    if (values.help === true) {
      output.print(`usage: npx torghut ${name} ${usage}\n${placeUsage}`);
      return 0;
    }
    const given = values as Readonly<Record<string, string | boolean | undefined>>;
    const read: Words = {
      positionals,
      value: (option) => {
        const value = given[option];
        return typeof value === 'string' ? value : null;
      },
    };
    return await carryOut(command, read, { ...output, json: values.json === true }, help);
  } catch (error) {
    if (error instanceof UsageError) {
      output.complain(error.message);
      return 2;
    }
    if (error instanceof Unanswered) {
      output.complain(error.message);
      return 1;
    }
    throw error;
  }
};

/** @throws UsageError with where to read what the command takes */
const carryOut = async <Plan>(
  { plan, run }: CommandDefinition<Plan>,
  words: Words,
  output: Output & Pick<Asked, 'json'>,
  help: string,
): Promise<number> => {
  try {
    const planned = plan(words);
    const place = readPlace(words);
    return await run(planned, { ...words, ...output, api: await findApi(place) });
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${error.message}; ${help} lists the options`);
    throw error;
  }
};

/** @throws Unanswered when the value is not what the schema says */
export const readAs = <Value>(what: string, schema: z.ZodType<Value>, value: unknown): Value => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Unanswered(
    `${what}: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}; use the release that is deployed`,
  );
};

/** A GET whose answer must be 200, JSON and what the schema says; with the JSON as it came. */
export const askJson = async <Value>(
  api: ApiExchange,
  path: string,
  schema: z.ZodType<Value>,
  query: Readonly<Record<string, string>> = {},
): Promise<{ readonly body: Value; readonly sent: unknown }> => {
  const request = { method: 'GET', path, query } as const;
  const answer = await api(request);
  if (answer.status !== 200) throw unexpectedStatus(request, [200], answer);
  const sent = parseAnswer(request, answer);
  return { body: readAs(`GET ${path}`, schema, sent), sent };
};

const refusalSchema = z.object({
  error: z.string(),
  expected: z.unknown(),
  found: z.unknown(),
  instead: z.string().optional(),
  symbols: z.record(z.string(), z.array(z.string())).optional(),
});

const words = (value: unknown): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? value.map(words).join(', ') : JSON.stringify(value);

/** One line of a refusal of ours: what was expected, what was found, what to do. Null for an answer that is none. */
export const refusalLine = ({ text }: ApiAnswer): string | null => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Something else answered, such as a proxy.
    return null;
  }
  const refusal = refusalSchema.safeParse(value);
  if (!refusal.success) return null;
  const { error, expected, found, instead, symbols } = refusal.data;
  const named = Object.entries(symbols ?? {}).map(([code, list]) => `${code} for ${list.join(', ')}`);
  return [
    `${error}: expected ${words(expected)}, found ${words(found)}`,
    ...(named.length === 0 ? [] : [named.join('; ')]),
    ...(instead === undefined ? [] : [instead]),
  ].join('; ');
};
