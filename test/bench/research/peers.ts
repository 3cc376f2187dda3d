import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '@torghut/domain';
import type { SymbolSeries } from '@torghut/domain/research';
import { commissionPerShare, notional, startingCash } from './next-open.ts';

const run = promisify(execFile);

const requirements = join(import.meta.dirname, 'requirements.txt');
const script = join(import.meta.dirname, 'peers.py');
const environments = join(import.meta.dirname, '..', '..', '..', '.cache');

export const peers = ['backtrader', 'backtesting', 'vectorbt'] as const;
export type Peer = (typeof peers)[number];

const reason = (error: unknown): string => {
  const { stderr, message } = error as { stderr?: string; message?: string };
  const lines = (stderr ?? '').trim().split('\n');
  return (lines.at(-1) ?? '') === '' ? (message ?? String(error)) : (lines.at(-1) ?? '');
};

/** The Python that has the published engines, or why there is none. */
export type PeerPython =
  { readonly ok: true; readonly python: string } | { readonly ok: false; readonly reason: string };

/**
 * A virtual environment with the pinned engines, made on first use where pip finds them; one per state of the
 * requirements, since a half-changed one would be measured as something it is not.
 */
export const peerPython = async (progress: (text: string) => void): Promise<PeerPython> => {
  const directory = join(environments, `research-peers-${sha256(await readFile(requirements)).slice(0, 12)}`);
  const python = join(directory, 'bin', 'python');
  const complete = join(directory, 'complete');
  if (existsSync(complete)) return { ok: true, python };
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(environments, { recursive: true });
    progress('making a virtual environment of the published engines (once)');
    await run('python3', ['-m', 'venv', directory]);
    await run(python, ['-m', 'pip', 'install', '--quiet', '--no-input', '--requirement', requirements]);
    await writeFile(complete, '');
    return { ok: true, python };
  } catch (error) {
    return { ok: false, reason: `no published engines: ${reason(error)}` };
  }
};

/** What a published engine made of bars and wishes under the rules of `nextOpenModel`. */
export interface PeerResult {
  readonly version: string;
  /** Of processor time, the engine alone. */
  readonly seconds: number;
  readonly fills: readonly PeerFill[];
  /** USD after each bar, the starting cash included; NaN where the engine reports none. */
  readonly equity: Float64Array;
}

export interface PeerFill {
  readonly bar: number;
  /** Shares, negative for a sale. */
  readonly qty: number;
  readonly price: number;
  readonly commission: number;
}

const doublesIn = async (path: string): Promise<Float64Array> => {
  const bytes = await readFile(path);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

const columnsOfFill = 4;
const barColumns = ['start', 'open', 'high', 'low', 'close', 'volume'] as const;

export const runPeer = async (
  python: string,
  engine: Peer,
  series: SymbolSeries,
  actions: Int8Array,
): Promise<PeerResult> => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-peer-'));
  try {
    for (const name of barColumns) await writeFile(join(directory, `${name}.bin`), series[name]);
    await writeFile(join(directory, 'actions.bin'), actions);
    const job = { engine, notional, cash: startingCash, commissionPerShare, repeats: 5 };
    await writeFile(join(directory, 'job.json'), JSON.stringify(job));
    const { stdout } = await run(python, [script, directory], { maxBuffer: 2 ** 26 });
    const { version, seconds } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as PeerResult;
    const values = await doublesIn(join(directory, 'fills.bin'));
    const fills = Array.from({ length: values.length / columnsOfFill }, (_, index): PeerFill => {
      const [bar = -1, qty = 0, price = 0, commission = 0] = values.subarray(columnsOfFill * index);
      return { bar, qty, price, commission };
    });
    return { version, seconds, fills, equity: await doublesIn(join(directory, 'equity.bin')) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
