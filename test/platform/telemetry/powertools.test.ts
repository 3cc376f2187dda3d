import { createTelemetry } from '@torghut/platform';
import type { Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const context = {
  functionName: 'lean-router',
  functionVersion: '1',
  invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:lean-router',
  memoryLimitInMB: '512',
  awsRequestId: 'request-1',
} as Context;

let written: string[];
beforeEach(() => {
  written = [];
  const keep = (chunk: unknown): boolean => {
    written.push(String(chunk));
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  vi.spyOn(process.stderr, 'write').mockImplementation(keep);
});
afterEach(() => {
  vi.restoreAllMocks();
});
const documents = (): Record<string, unknown>[] =>
  written
    .flatMap((chunk) => chunk.split('\n').filter(Boolean))
    .map((text) => JSON.parse(text) as Record<string, unknown>);
const metricDocuments = () => documents().filter((document) => '_aws' in document);

describe('metrics on standard output', () => {
  it('carry exactly the dimensions of the table, with counters summed and the last gauge kept', () => {
    const telemetry = createTelemetry({ service: 'lean-router' });
    telemetry.count('cycles_total', 1);
    telemetry.count('cycles_total', 2);
    telemetry.gauge('signal_lag_seconds', 9);
    telemetry.gauge('signal_lag_seconds', 4);
    telemetry.count('execution_fallback_total', 1, { from: 'lean', to: 'alpaca' });
    telemetry.count('execution_fallback_total', 1, { to: 'alpaca', from: 'lean' });
    telemetry.observe('decision_to_ack_ms', 12, { adapter: 'lean' });
    telemetry.observe('decision_to_ack_ms', 30, { adapter: 'lean' });
    telemetry.flush();

    const [plain, fallback, latency, ...rest] = metricDocuments();
    expect(rest).toEqual([]);
    expect(plain).toMatchObject({ cycles_total: 3, signal_lag_seconds: 4, service: 'lean-router' });
    expect(plain?._aws).toMatchObject({
      CloudWatchMetrics: [
        {
          Namespace: 'torghut_trading',
          Dimensions: [[]],
          Metrics: [
            { Name: 'cycles_total', Unit: 'Count' },
            { Name: 'signal_lag_seconds', Unit: 'Seconds' },
          ],
        },
      ],
    });
    expect(fallback).toMatchObject({ execution_fallback_total: 2, from: 'lean', to: 'alpaca' });
    expect(fallback?._aws).toMatchObject({ CloudWatchMetrics: [{ Dimensions: [['from', 'to']] }] });
    expect(latency).toMatchObject({ decision_to_ack_ms: [12, 30], adapter: 'lean' });
  });

  it('keep every observation and its dimension when one metric has more than 100 values', () => {
    const telemetry = createTelemetry({ service: 'lean-router' });
    for (let i = 0; i < 250; i += 1) telemetry.observe('broker_call_ms', i, { op: 'submit_order' });
    telemetry.flush();
    const values = metricDocuments().flatMap((document) => {
      expect(document).toMatchObject({ op: 'submit_order' });
      return document.broker_call_ms as number[];
    });
    expect(values).toHaveLength(250);
  });

  it('are written once: a second flush writes nothing', () => {
    const telemetry = createTelemetry({ service: 'lean-router' });
    telemetry.count('cycles_total', 1);
    telemetry.flush();
    telemetry.flush();
    expect(metricDocuments()).toHaveLength(1);
  });

  it('drop a value that is not a number and say so', () => {
    const telemetry = createTelemetry({ service: 'lean-router' });
    telemetry.gauge('signal_lag_seconds', Number.NaN);
    telemetry.flush();
    expect(metricDocuments()).toEqual([]);
    expect(documents()).toMatchObject([{ level: 'WARN', metric: 'signal_lag_seconds', found: 'NaN' }]);
  });
});

describe('logs', () => {
  it('carry request id, function name and the error with its stack', () => {
    const telemetry = createTelemetry({ service: 'lean-router' });
    telemetry.begin(context);
    telemetry.error('submit failed', { code: 'lean_submit_order_timeout', error: new Error('no answer') });
    expect(documents()).toMatchObject([
      {
        level: 'ERROR',
        message: 'submit failed',
        service: 'lean-router',
        function_request_id: 'request-1',
        function_name: 'lean-router',
        code: 'lean_submit_order_timeout',
        error: { name: 'Error', message: 'no answer' },
      },
    ]);
  });

  it('never show secrets, wherever they hide', () => {
    const telemetry = createTelemetry({ service: 'lean-router' });
    telemetry.warn('connection refused', {
      url: 'postgres://app:hunter2@db/torghut',
      headers: { 'APCA-API-SECRET-KEY': 'hunter2', Authorization: 'Bearer hunter2' },
      nested: [{ password: 'hunter2' }],
      error: new Error('GET https://u:hunter2@host failed with Bearer hunter2'),
      fencing_token: 7,
    });
    expect(written.join('')).not.toContain('hunter2');
    expect(documents()).toMatchObject([{ fencing_token: 7 }]);
  });
});
