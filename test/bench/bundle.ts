import { dirname, join } from 'node:path';
import type { FunctionName } from '@torghut/domain';
import { type DeployedCode, layOut } from './cold-start/bundles.ts';
import { importTime } from './cold-start/import-time.ts';
import { addSizes, type CodeSize, loadableCode, sizeOf, sizeToLoad } from './cold-start/loaded-code.ts';
import { benchRow, median, type BenchRow } from './row.ts';

const rounds = 21;
const longestOwnCodeKilobytes = 300;
const initEntry = '@torghut/platform/init';

const kilobytes = (bytes: number): number => bytes / 1_000;
const total = ({ own, packages }: CodeSize): number => own + packages;

/** Size of everything a bundle consists of, whether it is loaded at once, later or never. */
const wholeSize = (bundles: Parameters<typeof loadableCode>[0]): CodeSize =>
  [...loadableCode(bundles).outputs.values()].map(sizeOf).reduce(addSizes);

interface FunctionSizes {
  /** All that the function could load: its own asset and both layers. */
  readonly whole: CodeSize;
  /** Read while Lambda initialises. */
  readonly init: CodeSize;
  /** Read until the handler is loaded, on top of that nothing but what it asks for later. */
  readonly handler: CodeSize;
}

const sizesOf = (code: DeployedCode, name: FunctionName): FunctionSizes => {
  const bundle = code.functions.get(name);
  if (bundle === undefined) throw new Error(`expected a bundle of ${name}, found none`);
  const bundles = [...code.layers, bundle];
  const loadable = loadableCode(bundles);
  return {
    whole: wholeSize(bundles),
    init: sizeToLoad(loadable, [initEntry]),
    handler: sizeToLoad(loadable, [initEntry, 'handler.mjs']),
  };
};

/** Medians of import times by subject; subjects take turns, so that all see the same machine. */
const mediansOf = async <Subject extends string>(
  subjects: Readonly<Record<Subject, readonly string[]>>,
): Promise<Readonly<Record<Subject, number>>> => {
  const entries = Object.entries<readonly string[]>(subjects);
  const times = new Map<string, number[]>(entries.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, modules] of entries) times.get(name)?.push(await importTime(modules));
  }
  return Object.fromEntries([...times].map(([name, measured]) => [name, median(measured)])) as Record<Subject, number>;
};

/**
 * What every function brings along, and how long Lambda waits for it: bytes of code of our own, and the time of its
 * initialisation beside a bare handler with the same middleware, logger and metrics. The load of the first invocation,
 * which comes after the initialisation, stands beside the bare packages it consists of.
 */
export const bundleBench = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  await using code = await layOut();
  const names = [...code.functions.keys()];
  const bare = code.peers.get('bare-handler');
  if (bare === undefined) throw new Error('expected the bare handler among the peers, found none');
  const bareSize = wholeSize([bare]);
  const sizes = new Map(names.map((name) => [name, sizesOf(code, name)]));
  for (const [name, { whole, init, handler }] of sizes) {
    progress(
      `${name}: ${kilobytes(total(init)).toFixed(0)} KB read to initialise, ${kilobytes(total(handler)).toFixed(0)} KB until the handler is loaded ` +
        `(${kilobytes(handler.own).toFixed(0)} KB own, ${handler.files} files), ${kilobytes(total(whole)).toFixed(0)} KB in function and layers`,
    );
  }

  progress(`importing every function ${rounds} times in turn, each in a new process`);
  const handlerOf = (name: FunctionName): string => join(dirname(code.entryOf(name)), 'handler.mjs');
  const bareTime = (name: 'bare-handler' | 'bare-clients'): readonly string[] => [code.entryOf(name)];
  const init = await mediansOf({
    bare: bareTime('bare-handler'),
    ...(Object.fromEntries(names.map((name) => [name, [code.entryOf(name)]])) as Record<FunctionName, string[]>),
  });
  const loaded = await mediansOf({
    bare: bareTime('bare-clients'),
    ...(Object.fromEntries(names.map((name) => [name, [code.entryOf(name), handlerOf(name)]])) as Record<
      FunctionName,
      string[]
    >),
  });

  return names.flatMap((name) => {
    const size = sizes.get(name);
    if (size === undefined) return [];
    return [
      benchRow({
        name: `own_code_${name}`,
        value: kilobytes(size.whole.own),
        unit: 'KB',
        goal: { of: 'value', atMost: longestOwnCodeKilobytes },
      }),
      benchRow({
        name: `init_code_${name}`,
        value: kilobytes(total(size.init)),
        unit: 'KB',
        floor: kilobytes(total(bareSize)),
        goal: { of: 'ratio', atMost: 1.5 },
      }),
      benchRow({
        name: `init_time_${name}`,
        value: init[name],
        unit: 'ms',
        floor: init.bare,
        goal: { of: 'ratio', atMost: 1.5 },
      }),
      benchRow({
        name: `load_time_${name}`,
        value: loaded[name],
        unit: 'ms',
        floor: loaded.bare,
        goal: { of: 'ratio', atMost: 1.5 },
      }),
    ];
  });
};
