import * as z from 'zod';

/**
 * The part of Amazon States Language that the templates use, over real functions: Task (a function's name in place of its
 * ARN), Map, Succeed and Fail, with JSONPath of plain fields. A field that is not known is refused: a definition
 * that means something else in the cloud must not run here.
 */
/** Errors that functions throw, by name. Of the service's own names only one is known here: all of them. */
const ownError = z.string().regex(/^[A-Za-z]+$/);
const catcher = z.strictObject({
  ErrorEquals: z.union([z.tuple([z.literal('States.ALL')]), z.array(ownError).min(1)]),
  Next: z.string(),
  ResultPath: z.string().nullable().optional(),
});
/** Retries: of errors that functions throw, and of the service's own faults, which do not happen here. */
const retrier = z.strictObject({
  ErrorEquals: z.array(
    z.union([
      ownError,
      z.enum([
        'Lambda.ClientExecutionTimeoutException',
        'Lambda.ServiceException',
        'Lambda.AWSLambdaException',
        'Lambda.SdkClientException',
        'Lambda.TooManyRequestsException',
      ]),
    ]),
  ),
  // What the service takes where nothing is said.
  IntervalSeconds: z.int().positive().default(1),
  MaxAttempts: z.int().min(0).default(3),
  BackoffRate: z.number().min(1).default(2),
});
const transition = { Next: z.string().optional(), End: z.literal(true).optional(), Comment: z.string().optional() };

const taskSchema = z.strictObject({
  Type: z.literal('Task'),
  Resource: z.string(),
  Parameters: z.record(z.string(), z.unknown()).optional(),
  ResultPath: z.string().nullable().optional(),
  Retry: z.array(retrier).optional(),
  Catch: z.array(catcher).optional(),
  ...transition,
});
const mapSchema = z.strictObject({
  Type: z.literal('Map'),
  ItemsPath: z.string(),
  ItemSelector: z.record(z.string(), z.unknown()).optional(),
  ItemProcessor: z.strictObject({
    ProcessorConfig: z.strictObject({ Mode: z.literal('INLINE') }),
    StartAt: z.string(),
    States: z.lazy((): z.ZodType<Readonly<Record<string, State>>> => z.record(z.string(), stateSchema)),
  }),
  MaxConcurrency: z.int().min(0).optional(),
  ResultPath: z.string().nullable().optional(),
  Catch: z.array(catcher).optional(),
  ...transition,
});
const endSchema = z.discriminatedUnion('Type', [
  z.strictObject({ Type: z.literal('Succeed') }),
  z.strictObject({
    Type: z.literal('Fail'),
    Error: z.string(),
    Cause: z.string().optional(),
    CausePath: z.string().optional(),
  }),
]);

type Working = z.infer<typeof taskSchema> | MapState;
interface MapState extends Omit<z.infer<typeof mapSchema>, 'ItemProcessor'> {
  readonly ItemProcessor: Machine;
}
type State = Working | z.infer<typeof endSchema>;
interface Machine {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}
const stateSchema: z.ZodType<State> = z.discriminatedUnion('Type', [taskSchema, mapSchema, ...endSchema.options]);

const definitionSchema = z.strictObject({
  StartAt: z.string(),
  States: z.record(z.string(), stateSchema),
  TimeoutSeconds: z.int().positive(),
});
export type StateMachineDefinition = z.infer<typeof definitionSchema>;

/** @throws Error naming what of a definition is not understood */
export const readDefinition = (name: string, text: string): StateMachineDefinition => {
  const parsed = definitionSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new Error(`${name}: expected states that this machine can run, found ${z.prettifyError(parsed.error)}`);
};

/** An execution that ended in failure: the name of the error, and its cause as Step Functions tells it. */
export class ExecutionFailed extends Error {
  override readonly name = 'ExecutionFailed';
  readonly error: string;
  override readonly cause: string;

  constructor(error: string, cause: string) {
    super(`${error}: ${cause}`);
    this.error = error;
    this.cause = cause;
  }
}

export type InvokeFunction = (resource: string, payload: unknown) => Promise<unknown>;

interface Context {
  readonly item?: { readonly Value: unknown; readonly Index: number };
}

const fieldsOf = (path: string): readonly string[] => {
  if (!/^\$(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/.test(path))
    throw new ExecutionFailed('States.Runtime', `expected a path such as $.a.b, found ${path}`);
  return path.split('.').slice(1);
};

const read = (path: string, input: unknown, context: Context): unknown => {
  const [root, fields] = path.startsWith('$$.Map.')
    ? [{ Item: context.item }, fieldsOf(`$.${path.slice('$$.Map.'.length)}`)]
    : [input, fieldsOf(path)];
  return fields.reduce<unknown>((value, field) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field))
      throw new ExecutionFailed('States.ParameterPathFailure', `expected ${path} in the input, found nothing`);
    return (value as Readonly<Record<string, unknown>>)[field];
  }, root);
};

/** A payload template: `name.$` takes its value from a path, at any depth. */
const fill = (template: unknown, input: unknown, context: Context): unknown => {
  if (typeof template !== 'object' || template === null) return template;
  if (Array.isArray(template)) return template.map((one: unknown) => fill(one, input, context));
  return Object.fromEntries(
    Object.entries(template).map(([name, value]: [string, unknown]) =>
      name.endsWith('.$')
        ? [name.slice(0, -2), read(String(value), input, context)]
        : [name, fill(value, input, context)],
    ),
  );
};

/** Where a result goes: in place of the input, nowhere, or into one field of it. */
const place = (input: unknown, result: unknown, path: string | null | undefined): unknown => {
  if (path === undefined) return result;
  if (path === null) return input;
  const [field, ...deeper] = fieldsOf(path);
  if (field === undefined) return result;
  if (deeper.length > 0)
    throw new ExecutionFailed('States.Runtime', `expected a result path of one field, found ${path}`);
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw new ExecutionFailed(
      'States.ResultPathMatchFailure',
      `expected an object to put ${path} into, found ${JSON.stringify(input)}`,
    );
  return { ...input, [field]: result };
};

const failureOf = (error: unknown): ExecutionFailed => {
  if (error instanceof ExecutionFailed) return error;
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  return new ExecutionFailed(name, JSON.stringify({ errorType: name, errorMessage: message }));
};

/** What goes into a function and comes out of it is JSON. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null)) as unknown;

const covers = (names: readonly string[], error: string): boolean =>
  names.includes(error) || names.includes('States.ALL');

const causeOf = ({ Cause, CausePath }: Extract<State, { Type: 'Fail' }>, input: unknown, context: Context): string =>
  CausePath === undefined ? (Cause ?? '') : String(read(CausePath, input, context));

/** What a machine reaches for: its functions, and time to pass between tries. */
export interface Surroundings {
  readonly invoke: InvokeFunction;
  readonly wait: (seconds: number) => Promise<void>;
}

/** Invokes a function, and again after an error that one of the retriers names, each as often as it says. */
const invokeRetrying = async (
  { Resource, Retry = [] }: z.infer<typeof taskSchema>,
  payload: unknown,
  { invoke, wait }: Surroundings,
): Promise<unknown> => {
  const tried = new Map<z.infer<typeof retrier>, number>();
  for (;;) {
    try {
      return await invoke(Resource, payload);
    } catch (error) {
      const { error: name } = failureOf(error);
      const found = Retry.find(({ ErrorEquals }) => covers(ErrorEquals, name));
      const times = found === undefined ? 0 : (tried.get(found) ?? 0);
      if (found === undefined || times >= found.MaxAttempts) throw error;
      tried.set(found, times + 1);
      await wait(found.IntervalSeconds * found.BackoffRate ** times);
    }
  }
};

const runStates = async (
  machine: Machine,
  input: unknown,
  context: Context,
  surroundings: Surroundings,
): Promise<unknown> => {
  let [name, value]: [string, unknown] = [machine.StartAt, input];
  for (;;) {
    const state = machine.States[name];
    if (state === undefined) throw new ExecutionFailed('States.Runtime', `expected a state ${name}, found none`);
    if (state.Type === 'Succeed') return value;
    if (state.Type === 'Fail') throw new ExecutionFailed(state.Error, causeOf(state, value, context));
    let next: string | undefined;
    try {
      value = await runState(state, value, context, surroundings);
      next = state.Next;
    } catch (error) {
      const { error: Error, cause: Cause } = failureOf(error);
      // What the service cannot make sense of ends the execution, whatever is caught.
      if (Error === 'States.Runtime') throw error;
      const caught = 'Catch' in state ? state.Catch?.find(({ ErrorEquals }) => covers(ErrorEquals, Error)) : undefined;
      if (caught === undefined) throw error;
      value = place(value, { Error, Cause }, caught.ResultPath);
      next = caught.Next;
    }
    if (next === undefined) return value;
    name = next;
  }
};

const runState = async (
  state: Working,
  input: unknown,
  context: Context,
  surroundings: Surroundings,
): Promise<unknown> => {
  if (state.Type === 'Task') {
    const payload = state.Parameters === undefined ? input : fill(state.Parameters, input, context);
    return place(input, asJson(await invokeRetrying(state, asJson(payload), surroundings)), state.ResultPath);
  }
  const items = read(state.ItemsPath, input, context);
  if (!Array.isArray(items))
    throw new ExecutionFailed('States.Runtime', `expected a list at ${state.ItemsPath}, found ${typeof items}`);
  const results: unknown[] = [];
  // One after the other: a machine's clock is one, and order is what makes a replay the same every time.
  for (const [Index, Value] of (items as readonly unknown[]).entries()) {
    const inner = { item: { Index, Value } };
    const each = state.ItemSelector === undefined ? Value : fill(state.ItemSelector, input, inner);
    results.push(await runStates(state.ItemProcessor, each, inner, surroundings));
  }
  return place(input, results, state.ResultPath);
};

/**
 * Runs a definition to its end.
 * @throws ExecutionFailed
 */
export const execute = async (
  definition: StateMachineDefinition,
  input: unknown,
  surroundings: Surroundings,
): Promise<unknown> => {
  try {
    return await runStates(definition, input, {}, surroundings);
  } catch (error) {
    throw failureOf(error);
  }
};
