import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { minute, sha256, toText, type Clock } from '@torghut/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command as adapter } from '../../../infra/cli/adapter.ts';
import { command as burnIn } from '../../../infra/cli/burn-in/command.ts';
import { command as control } from '../../../infra/cli/control.ts';
import { type CommandDefinition, runCommand } from '../../../infra/cli/operator/command.ts';
import { apiExchange } from '../../../infra/cli/operator/exchange.ts';
import { command as why } from '../../../infra/cli/why/command.ts';
import { startExecution, type ExecutionWorld, type SeededDecision } from '../../support/execution.ts';
import { startOperatorApi, type Json, type OperatorApi } from '../../support/operator-api.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

const program = resolve(import.meta.dirname, '../../../infra/cli/torghut.ts');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

const commands = { why, 'burn-in': burnIn, control, adapter };
const lines = (text: readonly string[]): string => text.map((line) => `${line}\n`).join('');

/** Runs a command in this process. */
const torghut = async (...[name = '', ...words]: readonly string[]): Promise<Ended> => {
  const out: string[] = [];
  const error: string[] = [];
  const output = { print: (line: string) => out.push(line), complain: (line: string) => error.push(line) };
  const command = commands[name as keyof typeof commands] as CommandDefinition<unknown>;
  const code = await runCommand(command, words, output);
  return { code, out: lines(out), error: lines(error) };
};

/** Runs the program as a user does. */
const spawned = (...words: readonly string[]): Promise<Ended> =>
  new Promise((end) => {
    execFile(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...words], (failure, out, error) => {
      end({ code: failure === null ? 0 : Number(failure.code), out, error });
    });
  });

let world: ExecutionWorld;
let api: OperatorApi;
let filled: SeededDecision;
let directory: string;
const ask = (...words: readonly string[]): Promise<Ended> => torghut(...words, '--api', api.url);

beforeAll(async () => {
  world = await startExecution();
  api = await startOperatorApi(world.database.app, world.clock);
  filled = await world.order({ qty: '2' });
  await world.minutes(1);
  directory = await mkdtemp(join(tmpdir(), 'torghut-cli-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
  await api.stop();
  await world.close();
});

describe('torghut why', () => {
  it('[A6] tells an order as text with a timeline, and as the JSON of the API', async () => {
    const { code, out, error } = await ask('why', filled.clientOrderId);
    expect([code, error]).toEqual([0, '']);
    const [receipt] = await world.receipts(filled);
    for (const part of [
      `${filled.clientOrderId} (client order id) of account paper`,
      'buy 2 AAPL limit at 100.02 (entry, day)',
      'policy all:lean, expected lean',
      `submit at lean, attempt 1, fencing token ${receipt!.fencing_token}: acknowledged`,
      'HTTP 200',
      '2 still open',
      'USD before fees',
      // What the decision of this test has no record of.
      'values unknown',
      'checks: the decision document has no record of them',
    ])
      expect(out).toContain(part);
    const timeline = out.slice(out.indexOf('TIMELINE'), out.indexOf('NOT ON RECORD')).trim().split('\n').slice(1);
    expect(timeline.length).toBeGreaterThan(6);
    for (const line of timeline) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z {2} *(\+\d+ ms)? {2}\w+ +\S/);

    expect(await spawned('why', filled.clientOrderId, '--api', api.url)).toEqual({ code, out, error });
    const json = await ask('why', filled.clientOrderId, '--json');
    expect(JSON.parse(json.out)).toEqual((await api.ask(`/trading/why/${filled.clientOrderId}`)).body);
  });

  it('says in one line that an id is unknown', async () => {
    expect(await ask('why', 'tg1-nothing-1')).toEqual({
      code: 1,
      out: '',
      error: 'not_found: expected the id of a decision or an order of the account, found tg1-nothing-1\n',
    });
  });
});

describe('torghut burn-in', () => {
  it('[E9] prints the report, writes it as the bytes that its hash is of, and exits by the verdict', async () => {
    const at = world.clock.now();
    await insertRow(
      world.database.app,
      'reconciliation_runs',
      sampleRow('reconciliation_runs', {
        scope: 'nightly',
        status: 'completed',
        scheduled_for: toText(at - minute),
        finished_at: toText(at),
      }),
    );
    const file = join(directory, 'burn-in.json');
    const { code, out } = await ask('burn-in', '--hours', '24', '--out', file);
    expect(code).toBe(3);
    expect(out).toContain('routes          1 executions, 0 without provenance: lean to lean 1 (0 fallbacks)');
    expect(out).toMatch(/^insufficient +burn_in_sample_small +1 /m);
    const bytes = await readFile(file, 'utf8');
    expect(out).toContain(`sha256 ${sha256(bytes)}, written to ${file}`);
    expect(await readFile(`${file}.sha256`, 'utf8')).toBe(`${sha256(bytes)}  burn-in.json\n`);
    expect(JSON.parse(bytes)).toMatchObject({ schema: 'torghut.burn-in.v1', verdict: 'insufficient' });

    world.clock.advanceTo(world.clock.now() + 61 * minute);
    expect((await ask('burn-in', '--hours', '1')).code).toBe(1);
    await world.sync();
  });

  it('says in one line that a file cannot be written', async () => {
    const { code, error } = await ask('burn-in', '--out', join(directory, 'nowhere', 'x.json'));
    expect(code).toBe(2);
    expect(error).toMatch(/^--out: expected a file that can be written, found ENOENT[^\n]*\n$/);
  });
});

describe('torghut control and adapter', () => {
  it('[E6] engages the kill switch for the next claim, says what stops, and releases it', async () => {
    const engaged = await ask('control', 'engage', 'kill_switch', '--reason', 'rehearsal');
    expect(engaged.code).toBe(0);
    expect(engaged.out).toContain('kill_switch is engaged: entries stop, exits stop, cancels continue');
    expect(engaged.out).toMatch(/^entries +stopped by kill_switch$/m);
    expect((await world.decision((await world.order()).id)).reasons).toEqual(['kill_switch_engaged']);
    expect((await ask('control', 'list')).out).toContain('by arn:aws:iam::000000000000:user/local-operator: rehearsal');

    const again = await ask('control', 'engage', 'kill_switch', '--reason', 'rehearsal');
    expect(again).toMatchObject({ code: 1, out: '' });
    expect(again.error).toMatch(/^not_a_change: expected kill_switch to be released now, found [^\n]*\n$/);
    expect((await ask('control', 'release', 'kill_switch', '--reason', 'rehearsed')).out).toMatch(/^entries +go out$/m);
  });

  it('makes a change that is sent twice under one request id once', async () => {
    const words = [
      'adapter',
      'review',
      '--adapter',
      'lean',
      '--symbol',
      'msft',
      '--reason',
      'odd fills',
      '--request-id',
      'request-1',
    ];
    expect((await ask(...words)).out).toContain('MSFT on lean is manual_review (was enabled)\nmade at');
    expect((await ask(...words)).out).toContain('MSFT on lean is manual_review\nmade before at');
    expect((await ask('adapter', 'list')).out).toMatch(
      /^MSFT on lean: manual_review, breaker closed; since .*: odd fills$/m,
    );
  });

  it('prints one line why LEAN may not take more', async () => {
    expect((await ask('adapter', 'disable', '--adapter', 'lean', '--reason', 'rehearsal')).code).toBe(0);
    const { code, error } = await ask('adapter', 'enable', '--adapter', 'lean', '--reason', 'rehearsed');
    expect(code).toBe(1);
    expect(error).toMatch(/^raise_refused: expected stable signal continuity [^\n]*signal_continuity[^\n]*\n$/);
    expect((await ask('control', 'release', 'emergency_stop', '--reason', 'all good')).error).toMatch(
      /^evidence_required: [^\n]*emergency-stop-active\n$/,
    );
  });
});

describe('words it cannot carry out', () => {
  it.each([
    [['why'], 'expected one id of a decision or an order, found none'],
    [['why', 'a b'], 'expected one id of a decision or an order, found "a b"'],
    [['why', 'x', '--api', 'ftp://x'], '--api: expected an http or https URL, found "ftp://x"'],
    [['why', 'x', '--colour'], "Unknown option '--colour'"],
    [['why', 'x'], 'expected --environment NAME or --api URL, found neither'],
    [['why', 'x', '--environment', 'test'], '--environment: expected paper or live, found "test"'],
    [['why', 'x', '--api', 'https://api.example'], '--region: expected the region of the API'],
    [['burn-in', '--hours', '0'], '--hours: expected a whole number from 1 to 168, found "0"'],
    [['control'], 'expected list, engage CONTROL or release CONTROL, found none'],
    [
      ['control', 'engage', 'brakes'],
      'expected one of kill_switch, emergency_stop, reduce_only, trading_enabled, autonomy_enabled, found "brakes"',
    ],
    [['control', 'engage', 'kill_switch'], '--reason: expected why, in 3 to 1000 characters, found nothing'],
    [['adapter', 'enable', '--reason', 'because'], '--adapter: expected lean or alpaca, found nothing'],
    [
      ['adapter', 'enable', '--adapter', 'lean', '--symbol', '?', '--reason', 'because'],
      '--symbol: expected a symbol such as NVDA, found "?"',
    ],
  ])('%j: exit code 2 and one line', async (words, line) => {
    const { code, out, error } = await torghut(...words);
    expect([code, out]).toEqual([2, '']);
    expect(error).toMatch(/^[^\n]*--help lists the options\n$/);
    expect(error).toContain(line);
  });

  it.each(['why', 'burn-in', 'control', 'adapter'])('%s --help lists the options', async (command) => {
    const { code, out } = await torghut(command, '--help');
    expect(code).toBe(0);
    expect(out).toContain(`usage: npx torghut ${command} `);
  });
});

describe('asking the API', () => {
  const clock: Clock = {
    now: () => Date.now(),
    sleep: () => Promise.resolve(),
    deadline: (ms) => AbortSignal.timeout(ms),
  };
  const listen = async (answer: { status: number; text: string } | null) => {
    const requests: { headers: Record<string, unknown>; url: string; body: string }[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        requests.push({ headers: request.headers, url: request.url ?? '', body });
        if (answer === null) request.socket.destroy();
        else response.writeHead(answer.status).end(answer.text);
      });
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      requests,
      stop: () => new Promise((end) => server.close(end)),
    };
  };

  it('signs a change with its body, so that neither can be altered on the way', async () => {
    const server = await listen({ status: 200, text: '{}' });
    const credentials = { accessKeyId: 'id', secretAccessKey: 'key' };
    const signer = { region: 'us-east-1', credentials };
    await apiExchange({ url: server.url, signer, clock })({
      method: 'POST',
      path: '/trading/adapters/lean/BRK.B',
      body: { state: 'disabled', reason: 'because' },
    });
    const [sent] = server.requests;
    expect(JSON.parse(sent!.body)).toEqual({ state: 'disabled', reason: 'because' });
    const headers = sent!.headers as Record<string, string>;
    const { hostname, port } = new URL(server.url);
    const sign = async (body: string) => {
      const at = headers['x-amz-date']!.replace(/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/, '$1-$2-$3T$4:$5:$6Z');
      const signed = await new SignatureV4({ service: 'execute-api', ...signer, sha256: Sha256 }).sign(
        {
          method: 'POST',
          protocol: 'http:',
          hostname,
          port: Number(port),
          path: '/trading/adapters/lean/BRK.B',
          headers: { host: headers['host']!, 'content-type': 'application/json' },
          body,
        },
        { signingDate: new Date(at) },
      );
      return signed.headers['authorization'];
    };
    expect(await sign(sent!.body)).toBe(headers['authorization']);
    expect(await sign(sent!.body.replace('disabled', 'enabled'))).not.toBe(headers['authorization']);
    await server.stop();
  });

  it.each([
    ['does not come', null],
    ['is that of a gateway that gave up', { status: 504, text: '{"message":"Endpoint request timed out"}' }],
    ['cannot be read', { status: 200, text: '{}' }],
  ])('sends a change once, and says how to find out when its answer %s', async (_what, answer) => {
    const server = await listen(answer);
    const { code, error } = await torghut('control', 'engage', 'kill_switch', '--reason', 'smoke', '--api', server.url);
    expect(code).toBe(1);
    expect(error).toMatch(
      /whether the change was made is unknown: repeat the command with --request-id [0-9a-f-]{36}\n$/,
    );
    const [sent, ...others] = server.requests;
    expect(others).toEqual([]);
    expect(error).toContain((JSON.parse(sent!.body) as Json)['request_id'] as string);
    await server.stop();
  });

  it('says of a place on this machine where nothing answers what may be missing', async () => {
    const server = await listen(null);
    await server.stop();
    const { code, error } = await torghut('control', 'list', '--api', server.url);
    expect([code, error]).toEqual([
      1,
      `GET /trading/controls: nothing answers at ${server.url}; is npm start running there?\n`,
    ]);
  });

  it.each([
    [
      500,
      '{"error":"internal_error","expected":"an answer","found":"r"}',
      /expected status 200.*, found 500 .*read the log/,
    ],
    [403, '{"message":"Forbidden"}', /found 403 .*execute-api:Invoke/],
    [200, '<html>', /expected JSON, found <html>/],
    [200, '{}', /account_label|as_of/],
  ])('prints one line for an answer of status %i that says nothing', async (status, text, line) => {
    const server = await listen({ status, text });
    const { code, error } = await torghut('control', 'list', '--api', server.url);
    expect(code).toBe(1);
    expect(error).toMatch(line);
    expect(error.trim().split('\n')).toHaveLength(1);
    await server.stop();
  });
});
