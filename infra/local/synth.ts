import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** Everything the templates depend on, relative to the repository. */
const sources = [
  'cdk.json',
  'package-lock.json',
  'infra/app.ts',
  'infra/config.ts',
  'infra/torghut-stage.ts',
  'infra/strategies.yaml',
  'infra/stacks',
  'infra/constructs',
  'functions',
  'layers',
  'migrations/postgres',
];

const filesUnder = (path: string): readonly string[] => {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { withFileTypes: true });
  return entries
    .filter((entry) => entry.name !== 'node_modules')
    .flatMap((entry) => (entry.isDirectory() ? filesUnder(join(path, entry.name)) : [join(path, entry.name)]));
};

const isSetting = (variable: string): boolean => variable.startsWith('TORGHUT_');

/** One machine has no network of ours, and a database that secrets describe. */
const settings = { TORGHUT_PAPER_NETWORK: 'none', TORGHUT_PAPER_DATABASE: 'external' } as const;

/** Hash over names and contents of the sources and over the settings in the environment. */
const digestOf = (root: string, variables: NodeJS.ProcessEnv): string => {
  const hash = createHash('sha256').update(process.version);
  const files = sources.flatMap((source) =>
    /\.\w+$/.test(source) ? [join(root, source)] : filesUnder(join(root, source)),
  );
  for (const file of files.toSorted()) {
    const content = readFileSync(file);
    hash.update(`\0${relative(root, file)}\0${content.length}\0`).update(content);
  }
  for (const name of Object.keys(variables).filter(isSetting).toSorted())
    hash.update(`\0${name}=${variables[name] ?? ''}`);
  return hash.digest('hex');
};

const run = async (script: string, root: string, environment: NodeJS.ProcessEnv): Promise<void> => {
  const child = spawn(process.execPath, [script], {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C in the terminal is for us; a synthesis that is cut off would leave half-made bundles.
    detached: true,
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  if (code !== 0)
    throw new Error(`synthesizing the templates failed (exit code ${code ?? 'none'}):\n${complaint.trim()}`);
};

export interface SynthesizeOptions {
  /** Holds one cloud assembly per state of the sources. */
  readonly cacheDirectory: string;
  /** The repository; this one by default. */
  readonly root?: string;
}

/**
 * Renders the templates as `cdk synth` does, in a process of its own, unless that has been done for the same sources.
 * @returns the directory of the cloud assembly
 * @throws Error with what the synthesis printed
 */
export const synthesize = async ({
  cacheDirectory,
  root = join(import.meta.dirname, '../..'),
}: SynthesizeOptions): Promise<string> => {
  const environment = { ...process.env, ...settings };
  const assembly = join(cacheDirectory, digestOf(root, environment));
  if (existsSync(assembly)) return assembly;
  await mkdir(cacheDirectory, { recursive: true });
  const unfinished = await mkdtemp(join(cacheDirectory, 'unfinished-'));
  try {
    await run('infra/app.ts', root, { ...environment, CDK_OUTDIR: unfinished });
    // Only a whole assembly gets the name that is looked for. Who comes second finds the same content there.
    await rename(unfinished, assembly).catch((error: unknown) => {
      if (!existsSync(assembly)) throw error;
    });
    return assembly;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
};
