import {
  createMemoryTelemetry,
  InvalidEventError,
  scheduledHandler,
  wiredOnFirstUse,
  withPreset,
} from '@torghut/platform';
import type { Context } from 'aws-lambda';
import { describe, expect, it, vi } from 'vitest';
import * as z from 'zod';

const context = { awsRequestId: 'request-1' } as Context;
const watched = () => {
  const telemetry = createMemoryTelemetry();
  return { ...telemetry, begin: vi.fn(), flush: vi.fn() };
};

describe('the preset around a handler', () => {
  it('opens the log context, runs, and flushes the metrics', async () => {
    const telemetry = watched();
    const handler = withPreset(telemetry, (event: number) => Promise.resolve(event + 1));
    await expect(handler(1, context)).resolves.toBe(2);
    expect(telemetry.begin).toHaveBeenCalledExactlyOnceWith(context);
    expect(telemetry.flush).toHaveBeenCalledTimes(1);
    expect(telemetry.logs()).toEqual([]);
  });

  it('logs an error once, flushes the metrics, and lets the error reach the runtime', async () => {
    const telemetry = watched();
    const handler = withPreset(telemetry, () => Promise.reject(new Error('no database')));
    await expect(handler(null, context)).rejects.toThrow('no database');
    expect(telemetry.flush).toHaveBeenCalledTimes(1);
    expect(telemetry.logs()).toMatchObject([{ level: 'error', fields: { error: { message: 'no database' } } }]);
  });
});

describe('a scheduled handler', () => {
  const schema = z.object({ scheduledFor: z.iso.datetime() });

  it('runs with the parsed event', async () => {
    const handler = scheduledHandler(createMemoryTelemetry(), schema, ({ scheduledFor }) =>
      Promise.resolve(scheduledFor),
    );
    await expect(handler({ scheduledFor: '2026-02-13T15:00:00Z' }, context)).resolves.toBe('2026-02-13T15:00:00Z');
  });

  it('refuses another event and says what was expected and found', async () => {
    const run = vi.fn();
    const handler = scheduledHandler(createMemoryTelemetry(), schema, run);
    const refused = handler({ scheduledFor: 'noon' }, context);
    await expect(refused).rejects.toThrow(InvalidEventError);
    await expect(refused).rejects.toThrow('"at":"scheduledFor","expected":"Invalid ISO datetime","found":"noon"');
    expect(run).not.toHaveBeenCalled();
  });
});

describe('wiring on first use', () => {
  it('wires once, also for concurrent invocations, and keeps the handler', async () => {
    const wire = vi.fn(() => (event: number) => Promise.resolve(event));
    const handler = wiredOnFirstUse(wire);
    expect(wire).not.toHaveBeenCalled();
    await expect(Promise.all([handler(1, context), handler(2, context)])).resolves.toEqual([1, 2]);
    await handler(3, context);
    expect(wire).toHaveBeenCalledTimes(1);
  });

  it('tries again after a failed wiring', async () => {
    let attempts = 0;
    const handler = wiredOnFirstUse(() => {
      attempts += 1;
      if (attempts === 1) throw new Error('secret unavailable');
      return (event: number) => Promise.resolve(event);
    });
    await expect(handler(1, context)).rejects.toThrow('secret unavailable');
    await expect(handler(1, context)).resolves.toBe(1);
    expect(attempts).toBe(2);
  });
});
