import { posix } from 'node:path';
import { importsOf } from './import-rules.ts';

const research = '@torghut/domain/research';

/** What simulates, and who outside research may call it; everybody else goes through `runBacktest`, which counts first. */
const callers: Readonly<Record<string, readonly string[]>> = {
  simulate: [],
  evaluateCase: [],
  Workbench: [],
  desiresOf: [],
  // Both are handed a plan whose trials were counted: a step of the lane, and a thread of it on one machine.
  runTask: ['functions/research-lane/steps.ts', 'infra/local/research/task-thread.ts'],
  workbenchFor: ['functions/research-lane/steps.ts', 'infra/local/research/task-thread.ts'],
};

/** One line for each import by which a file outside research could simulate what no ledger has counted. */
export const uncountedBacktests = (file: string, source: string): readonly string[] =>
  importsOf(file, source).flatMap(({ specifier, typeOnly, names }) => {
    if (typeOnly) return [];
    const path = specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : null;
    if (path?.startsWith('layers/domain/src/research/') === true)
      return [`${file}: imports ${path}; import from ${research}, whose names can be checked`];
    if (specifier !== research) return [];
    if (names === null) return [`${file}: imports all of ${research}; name what is needed`];
    return names
      .filter((name) => Object.hasOwn(callers, name) && callers[name]?.includes(file) !== true)
      .map((name) => `${file}: imports ${name}; only runBacktest counts trials before they run`);
  });
