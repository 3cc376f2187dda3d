import { writeFile } from 'node:fs/promises';
import { crossCheck, describe, generatedData, realData, tolerance } from './research/cross-check.ts';
import { peerPython, peers, runPeer } from './research/peers.ts';
import { publishedData, publishedFile, type PublishedResult } from './research/published.ts';

/** Runs every published engine over the shipped bars and keeps what they found for the tests. */
const record = async (python: string): Promise<void> => {
  const { series, actions } = await publishedData();
  const results: PublishedResult[] = [];
  for (const peer of peers) {
    const { version, fills, equity } = await runPeer(python, peer, series, actions);
    results.push({
      peer,
      version,
      rows: equity.length,
      fills: fills.map(({ bar, qty, price, commission }) => [bar, qty, price, commission, equity[bar] ?? Number.NaN]),
    });
  }
  await writeFile(publishedFile, `${JSON.stringify(results, null, 2)}\n`);
};

const main = async (): Promise<void> => {
  const python = await peerPython(console.log);
  if (!python.ok) {
    console.log(`skipped: ${python.reason}`);
    return;
  }
  if (process.argv.includes('--record')) {
    await record(python.python);
    return;
  }
  const real = await realData();
  if (real === null) console.log('no real bars: generated ones only');
  for (const data of [generatedData(20), ...(real === null ? [] : [real])])
    for (const peer of peers) {
      const check = await crossCheck(python.python, peer, data);
      console.log(describe(check));
      if (check.furthest > tolerance) process.exitCode = 1;
    }
};

await main();
