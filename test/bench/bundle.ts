import type { FunctionName } from '@torghut/domain';
import { barePeerOf, type DeployedCode, layOut, type PeerName } from './cold-start/bundles.ts';
import { importTime } from './cold-start/import-time.ts';
import { type CodeSize, loadableCode, sizeToLoad } from './cold-start/loaded-code.ts';
import { benchRow, median, type BenchRow } from './row.ts';

const rounds = 21;
const longestOwnCodeKilobytes = 300;
/** Times the floor. */
const longestInit = 1.5;

const kilobytes = (bytes: number): number => bytes / 1_000;
const total = ({ own, packages }: CodeSize): number => own + packages;

/** What the import of a function is compared with, by figure. */
const floorsOf = (code: DeployedCode, name: FunctionName): Readonly<Record<string, PeerName>> => ({
  init_time: 'bare-handler',
  own_init: barePeerOf(code, name),
});

interface FunctionSizes {
  /** All that the function can come to load, of its own asset and of both layers. */
  readonly whole: CodeSize;
  /** Read while Lambda initialises; what is asked for later left out. */
  readonly init: CodeSize;
}

const sizesOf = (code: DeployedCode, name: FunctionName): FunctionSizes => {
  const bundle = code.functions.get(name);
  if (bundle === undefined) throw new Error(`expected a bundle of ${name}, found none`);
  const loadable = loadableCode([...code.layers, bundle]);
  return { whole: sizeToLoad(loadable, ['index.mjs'], { later: true }), init: sizeToLoad(loadable, ['index.mjs']) };
};

/** Medians of import times by subject; subjects take turns, so that all see the same machine. */
const mediansOf = async <Subject extends string>(
  subjects: readonly Subject[],
  moduleOf: (subject: Subject) => string,
): Promise<ReadonlyMap<Subject, number>> => {
  const times = new Map<Subject, number[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [subject, measured] of times) measured.push(await importTime(moduleOf(subject)));
  }
  return new Map([...times].map(([subject, measured]) => [subject, median(measured)]));
};

const measuredOf = <Subject>(figures: ReadonlyMap<Subject, number>, subject: Subject): number => {
  const figure = figures.get(subject);
  if (figure === undefined) throw new Error(`expected a measurement of ${String(subject)}, found none`);
  return figure;
};

/**
 * What every function brings along, and how long Lambda waits for it: bytes of code of our own, and the time to import
 * its handler. That time stands beside two floors: a bare handler with the same middleware, logger and metrics
 * (`init_time`), and the packages that the function loads with nothing of ours around them (`own_init`).
 */
export const bundleBench = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  await using code = await layOut();
  const names = [...code.functions.keys()];
  const sizes = new Map(names.map((name) => [name, sizesOf(code, name)]));
  for (const [name, { whole, init }] of sizes) {
    progress(
      `${name}: ${kilobytes(total(init)).toFixed(0)} KB read to initialise (${kilobytes(init.own).toFixed(0)} KB own, ` +
        `${init.files} files), ${kilobytes(total(whole)).toFixed(0)} KB with what may be read later`,
    );
  }

  progress(`importing every function ${rounds} times in turn, each in a new process`);
  const times = await mediansOf([...code.peers.keys(), ...names], code.entryOf);

  return [...sizes].flatMap(([name, { whole }]) => [
    benchRow({
      name: `own_code_${name}`,
      value: kilobytes(whole.own),
      unit: 'KB',
      goal: { of: 'value', atMost: longestOwnCodeKilobytes },
    }),
    ...Object.entries(floorsOf(code, name)).map(([figure, floor]) =>
      benchRow({
        name: `${figure}_${name}`,
        value: measuredOf(times, name),
        unit: 'ms',
        floor: measuredOf(times, floor),
        goal: { of: 'ratio', atMost: longestInit },
      }),
    ),
  ]);
};
