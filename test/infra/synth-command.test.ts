import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { readTemplates } from '../../infra/local/cloud-assembly.ts';
import { liveSettings } from './source-tree.ts';

const root = join(import.meta.dirname, '../..');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'torghut-synth-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** The CDK command as `npm run synth` starts it, with nothing on the PATH but a shell and Node, and without credentials. */
const synthesize = async (settings: Readonly<Record<string, unknown>>) => {
  const programs = join(directory, 'programs');
  mkdirSync(programs);
  symlinkSync(process.execPath, join(programs, 'node'));
  symlinkSync('/bin/sh', join(programs, 'sh'));
  const command = join(root, 'node_modules/aws-cdk/bin/cdk');
  const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${String(value)}`]);
  const child = spawn(process.execPath, [command, 'synth', '--quiet', '**', '--output', directory, ...words], {
    cwd: root,
    env: {
      PATH: programs,
      HOME: directory,
      TMPDIR: directory,
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      // Else the SDK would ask the network for the credentials of a virtual machine.
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return { code: child.exitCode, output };
};

const receivers = {
  'paper:pagerUrl': 'https://pager.example.com/events',
  'paper:ticketEmail': 'torghut@example.com',
};

it.each([
  { environments: 'paper', settings: { ...receivers, 'paper:tradingEnabled': 'true' } },
  {
    environments: 'paper,live',
    settings: {
      ...liveSettings,
      ...receivers,
      'paper:vpcCidr': '10.1.0.0/18',
      'paper:natGateways': '2',
      'live:account': '111122223333',
      'live:region': 'us-east-1',
    },
  },
])(
  'cdk synth -c environments=$environments renders them without Docker, credentials and findings',
  {
    timeout: 90_000,
  },
  async ({ environments, settings }) => {
    const { code, output } = await synthesize({ environments, ...settings });
    expect({ code, output }).toMatchObject({ code: 0 });
    const listed = environments.split(',');
    expect(readdirSync(directory).filter((name) => name.startsWith('assembly-'))).toEqual(
      listed.map((environment) => `assembly-torghut-${environment}`).toSorted(),
    );
    for (const environment of listed) expect(readTemplates(directory, environment)).toHaveLength(6);
    const report: unknown = JSON.parse(readFileSync(join(directory, 'validation-report.json'), 'utf8'));
    expect(report).toMatchObject({ pluginReports: [] });
    expect(output).not.toMatch(/warning|error/i);
  },
);
