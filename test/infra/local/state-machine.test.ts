import { describe, expect, it } from 'vitest';
import { execute as executeWith, ExecutionFailed, readDefinition } from '../../../infra/local/aws/state-machine.ts';

type States = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const machineOf = (StartAt: string, States: States) =>
  readDefinition('Machine', JSON.stringify({ StartAt, States, TimeoutSeconds: 60 }));

/** What each invocation was given; a function named `fail` throws. */
const recorder = () => {
  const seen: unknown[] = [];
  return {
    seen,
    invoke: (resource: string, payload: unknown): Promise<unknown> => {
      seen.push(payload);
      return resource === 'fail' ? Promise.reject(new RangeError('no')) : Promise.resolve({ resource, payload });
    },
  };
};

type Definition = Parameters<typeof executeWith>[0];
type Surroundings = Parameters<typeof executeWith>[2];

const execute = (
  machine: Definition,
  input: unknown,
  invoke: Surroundings['invoke'],
  wait: Surroundings['wait'] = () => Promise.resolve(),
): Promise<unknown> => executeWith(machine, input, { invoke, wait });

const failureOf = async (run: Promise<unknown>): Promise<ExecutionFailed> => {
  const error: unknown = await run.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ExecutionFailed) return error;
  throw new Error(`expected an execution that failed, found ${String(error)}`);
};

describe('a task', () => {
  it.each([
    ['in place of the input', {}, { resource: 'f', payload: { a: 1, b: { c: 2 } } }],
    ['nowhere', { ResultPath: null }, { a: 1, b: { c: 2 } }],
    ['in a field of the input', { ResultPath: '$.b' }, { a: 1, b: { resource: 'f', payload: { a: 1, b: { c: 2 } } } }],
  ])('leaves its result %s', async (_, more, expected) => {
    const { invoke } = recorder();
    const machine = machineOf('One', { One: { Type: 'Task', Resource: 'f', End: true, ...more } });
    expect(await execute(machine, { a: 1, b: { c: 2 } }, invoke)).toEqual(expected);
  });

  it('is given what its parameters take from the input, at any depth, and what they say themselves', async () => {
    const { seen, invoke } = recorder();
    const Parameters = { fixed: 1, 'whole.$': '$', inner: { 'deep.$': '$.b.c', list: [{ 'a.$': '$.a' }] } };
    await execute(
      machineOf('One', { One: { Type: 'Task', Resource: 'f', Parameters, End: true } }),
      { a: 1, b: { c: 2 } },
      invoke,
    );
    expect(seen).toEqual([{ fixed: 1, whole: { a: 1, b: { c: 2 } }, inner: { deep: 2, list: [{ a: 1 }] } }]);
  });

  it('hears and says JSON only', async () => {
    const machine = machineOf('One', { One: { Type: 'Task', Resource: 'f', End: true } });
    expect(
      await execute(machine, { at: new Date(0) }, (_, payload) => Promise.resolve({ payload, gone: undefined })),
    ).toEqual({
      payload: { at: '1970-01-01T00:00:00.000Z' },
    });
  });

  it('that throws ends the execution with its name, and a cause as the service tells it', async () => {
    const machine = machineOf('One', { One: { Type: 'Task', Resource: 'fail', End: true } });
    const { error, cause } = await failureOf(execute(machine, {}, recorder().invoke));
    expect([error, JSON.parse(cause)]).toEqual(['RangeError', { errorType: 'RangeError', errorMessage: 'no' }]);
  });

  it('that throws and is caught hands error and cause to the state that catches it', async () => {
    const machine = machineOf('One', {
      One: {
        Type: 'Task',
        Resource: 'fail',
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught', ResultPath: '$.failure' }],
        Next: 'Never',
      },
      Never: { Type: 'Task', Resource: 'f', End: true },
      Caught: { Type: 'Succeed' },
    });
    const { seen, invoke } = recorder();
    expect(await execute(machine, { a: 1 }, invoke)).toEqual({
      a: 1,
      failure: { Error: 'RangeError', Cause: '{"errorType":"RangeError","errorMessage":"no"}' },
    });
    expect(seen).toHaveLength(1);
  });
});

describe('a task that retries', () => {
  const Retry = [{ ErrorEquals: ['RangeError'], IntervalSeconds: 10, MaxAttempts: 3, BackoffRate: 2 }];
  const machine = (more: Readonly<Record<string, unknown>> = {}) =>
    machineOf('One', {
      One: { Type: 'Task', Resource: 'f', Retry, End: true, ...more },
      Caught: { Type: 'Fail', Error: 'Stopped', CausePath: '$.failure.Error' },
      Other: { Type: 'Succeed' },
    });
  /** Fails as often as it is told, and notes how long is waited between. */
  const failing = (times: number, error = new RangeError('no')) => {
    const [waits, left] = [[] as number[], { times }];
    const invoke = (): Promise<unknown> => {
      left.times -= 1;
      return left.times >= 0 ? Promise.reject(error) : Promise.resolve('done');
    };
    const wait = (seconds: number): Promise<void> => {
      waits.push(seconds);
      return Promise.resolve();
    };
    return { waits, run: (definition: Definition) => execute(definition, {}, invoke, wait) };
  };

  it('waits longer each time, and goes on when it succeeds', async () => {
    const { waits, run } = failing(3);
    expect(await run(machine())).toBe('done');
    expect(waits).toEqual([10, 20, 40]);
  });

  it('fails when its tries are used up', async () => {
    const { waits, run } = failing(4);
    expect((await failureOf(run(machine()))).error).toBe('RangeError');
    expect(waits).toEqual([10, 20, 40]);
  });

  it('does not retry another error', async () => {
    const { waits, run } = failing(1, new TypeError('no'));
    expect((await failureOf(run(machine()))).error).toBe('TypeError');
    expect(waits).toEqual([]);
  });

  it('is caught by the first that names the error, and a failure tells the cause that its path leads to', async () => {
    const Catch = [
      { ErrorEquals: ['RangeError'], Next: 'Caught', ResultPath: '$.failure' },
      { ErrorEquals: ['States.ALL'], Next: 'Other' },
    ];
    const { error, cause } = await failureOf(failing(4).run(machine({ Catch })));
    expect([error, cause]).toEqual(['Stopped', 'RangeError']);
    expect(await failing(1, new TypeError('no')).run(machine({ Catch }))).toMatchObject({ Error: 'TypeError' });
  });
});

describe('a map', () => {
  const map = (state: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}) =>
    machineOf('Each', {
      Each: {
        Type: 'Map',
        ItemsPath: '$.items',
        ItemSelector: { 'item.$': '$$.Map.Item.Value', 'place.$': '$$.Map.Item.Index', 'of.$': '$.run' },
        ItemProcessor: { ProcessorConfig: { Mode: 'INLINE' }, StartAt: 'One', States: { One: state } },
        ...more,
      },
      Caught: { Type: 'Succeed' },
      Ended: { Type: 'Fail', Error: 'Stopped', Cause: 'as told' },
    });
  const task = { Type: 'Task', Resource: 'f', End: true };
  const input = { run: 'r', items: ['x', 'y'] };

  it('gives results in the order of its items', async () => {
    const { seen, invoke } = recorder();
    const found = await execute(map(task, { ResultPath: '$.found', End: true }), input, invoke);
    const payloads = [
      { item: 'x', place: 0, of: 'r' },
      { item: 'y', place: 1, of: 'r' },
    ];
    expect(seen).toEqual(payloads);
    expect(found).toEqual({ ...input, found: payloads.map((payload) => ({ resource: 'f', payload })) });
  });

  it('of nothing is an empty list', async () => {
    expect(await execute(map(task, { End: true }), { run: 'r', items: [] }, recorder().invoke)).toEqual([]);
  });

  it('fails with its first item that fails, and later ones do not begin', async () => {
    const { seen, invoke } = recorder();
    const caught = { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught', ResultPath: '$.failure' }] };
    const found = await execute(map({ ...task, Resource: 'fail' }, { ...caught, End: true }), input, invoke);
    expect(found).toMatchObject({ run: 'r', failure: { Error: 'RangeError' } });
    expect(seen).toHaveLength(1);
  });

  it('goes on to the state that ends the execution as failed', async () => {
    const failure = await failureOf(execute(map(task, { Next: 'Ended' }), input, recorder().invoke));
    expect([failure.error, failure.cause]).toEqual(['Stopped', 'as told']);
  });

  it('refuses items that are no list, whatever is caught', async () => {
    const caught = { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }] };
    const failure = await failureOf(
      execute(map(task, { ...caught, End: true }), { run: 'r', items: 3 }, recorder().invoke),
    );
    expect(failure.message).toBe('States.Runtime: expected a list at $.items, found number');
  });
});

describe('a path', () => {
  it.each([
    ['$.a.b', 'States.ParameterPathFailure: expected $.a.b in the input, found nothing'],
    ['$.constructor', 'States.ParameterPathFailure: expected $.constructor in the input, found nothing'],
    ['$$.Map.Item.Value', 'States.ParameterPathFailure: expected $$.Map.Item.Value in the input, found nothing'],
    ['$.a[0]', 'States.Runtime: expected a path such as $.a.b, found $.a[0]'],
    ['a', 'States.Runtime: expected a path such as $.a.b, found a'],
  ])('%s that leads nowhere is a failure', async (path, message) => {
    const machine = machineOf('One', { One: { Type: 'Task', Resource: 'f', Parameters: { 'x.$': path }, End: true } });
    expect((await failureOf(execute(machine, { a: {} }, recorder().invoke))).message).toBe(message);
  });

  it.each([
    ['$.a.b', { a: {} }, /^States.Runtime: expected a result path of one field, found \$.a.b/],
    ['$.a', [1], /^States.ResultPathMatchFailure: expected an object to put \$.a into, found \[1\]/],
  ])('%s that cannot hold a result is a failure', async (ResultPath, input, message) => {
    const machine = machineOf('One', { One: { Type: 'Task', Resource: 'f', ResultPath, End: true } });
    expect((await failureOf(execute(machine, input, recorder().invoke))).message).toMatch(message);
  });

  it('to a state that is not there is a failure', async () => {
    const machine = machineOf('One', { One: { Type: 'Task', Resource: 'f', Next: 'Two' } });
    expect((await failureOf(execute(machine, {}, recorder().invoke))).message).toBe(
      'States.Runtime: expected a state Two, found none',
    );
  });
});

describe('a definition that would mean something else in the cloud is refused:', () => {
  const task = { Type: 'Task', Resource: 'f', End: true };
  it.each([
    ['a state of another type', { Type: 'Wait', Seconds: 3, End: true }],
    ['a field that is not known', { ...task, OutputPath: '$.a' }],
    ['another form of arguments', { ...task, Arguments: {} }],
    ['retries of every error', { ...task, Retry: [{ ErrorEquals: ['States.ALL'] }] }],
    ['a catch of errors of the service', { ...task, Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'One' }] }],
    [
      'a distributed map',
      {
        Type: 'Map',
        ItemsPath: '$.a',
        ItemProcessor: { ProcessorConfig: { Mode: 'DISTRIBUTED' }, StartAt: 'One', States: { One: task } },
        End: true,
      },
    ],
  ])('%s', (_, state) => {
    expect(() => machineOf('One', { One: state })).toThrow(
      /^Machine: expected states that this machine can run, found /,
    );
  });

  it('while retries of the faults of the service itself are understood', () => {
    const Retry = [{ ErrorEquals: ['Lambda.ServiceException'], IntervalSeconds: 2, MaxAttempts: 6, BackoffRate: 2 }];
    expect(() => machineOf('One', { One: { ...task, Retry } })).not.toThrow();
  });
});
