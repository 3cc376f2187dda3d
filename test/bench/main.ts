import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { parseOptions, UsageError } from '../../infra/cli/options.ts';
import { bundleBench } from './bundle.ts';
import { costBench } from './cost.ts';
import { cycleBench } from './cycle.ts';
import { deployBench } from './deploy.ts';
import { executionBench } from './execution.ts';
import { replayBench } from './replay.ts';
import { reconciliationBench } from './reconciliation.ts';
import { researchBench } from './research.ts';
import { renderRows, type BenchRow } from './row.ts';
import { stormBench } from './storm.ts';

/** `size`: how much a part works on, where it can be told; its own when absent. */
type Part = (progress: (text: string) => void, options: { readonly size?: number }) => Promise<readonly BenchRow[]>;

const parts: Readonly<Record<string, Part>> = {
  cycle: cycleBench,
  replay: replayBench,
  bundle: bundleBench,
  cost: costBench,
  deploy: deployBench,
  execution: executionBench,
  storm: stormBench,
  reconciliation: reconciliationBench,
  research: researchBench,
};

const usage = `usage: npm run bench [-- options]
  --only NAME           only this part: ${Object.keys(parts).join(', ')}
  --size N              executions of the parts execution (400) and reconciliation (1000000), requests of storm (5000)
  --json FILE           write the rows as JSON
Every figure stands beside its floor, measured in the same run; a missed goal is shown and fails nothing.`;

interface Arguments {
  readonly help: boolean;
  readonly only: string | null;
  readonly size: number | null;
  readonly json: string | null;
}

const readArguments = (): Arguments => {
  const {
    help = false,
    only = null,
    size,
    json = null,
  } = parseOptions(process.argv.slice(2), {
    only: { type: 'string' },
    size: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  });
  if (size !== undefined && !/^[1-9]\d{0,7}$/.test(size))
    throw new UsageError(`--size: expected a whole number above 0, found "${size}"`);
  return { help, only, size: size === undefined ? null : Number(size), json };
};

const main = async (): Promise<void> => {
  const { help, only, size, json } = readArguments();
  if (help) {
    console.log(usage);
    return;
  }
  const selected = Object.entries(parts).filter(([name]) => only === null || name === only);
  if (selected.length === 0)
    throw new UsageError(`--only: expected ${Object.keys(parts).join(' or ')}, found "${only ?? ''}"`);
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform} ${process.arch}`,
  );
  const rows: BenchRow[] = [];
  for (const [name, part] of selected) {
    rows.push(
      ...(await part(
        (text) => {
          console.log(`${name}: ${text}`);
        },
        size === null ? {} : { size },
      )),
    );
  }
  console.log(`\n${renderRows(rows)}`);
  if (json !== null) await writeFile(json, `${JSON.stringify(rows, null, 2)}\n`);
};

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`bench: ${error.message}\n${usage}\n`);
    process.exitCode = 2;
  } else {
    console.error(error);
    process.exitCode = 1;
  }
}
