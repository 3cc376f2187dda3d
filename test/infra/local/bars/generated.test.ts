import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { generateBars, shippedSet } from '../../../../infra/local/bars/generator.ts';
import { generatedDirectory, manifestOf } from '../../../../infra/local/bars/generate.ts';
import { readBars } from '../../../../infra/local/bars/reader.ts';

describe('the generated bars', () => {
  it('are in the repository exactly as the seed gives them', () => {
    const files = generateBars(shippedSet);
    for (const [symbol, text] of files) {
      const stored = gunzipSync(readFileSync(join(generatedDirectory, `${symbol}_1m.csv.gz`))).toString();
      expect(stored === text, `${symbol}: run \`npm run generate-bars\``).toBe(true);
    }
    expect(readFileSync(join(generatedDirectory, 'manifest.json'), 'utf8')).toBe(manifestOf(files));
  });

  it('say that they are generated', () => {
    const manifest = JSON.parse(readFileSync(join(generatedDirectory, 'manifest.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(manifest).toMatchObject({ generated: true, notice: expect.stringContaining('Not market data') as string });
    expect(readFileSync(join(generatedDirectory, 'README.md'), 'utf8')).toContain('**generated, not market data**');
    // No stock listed in the United States has a digit in its symbol.
    expect(shippedSet.stocks.every(({ symbol }) => /\d/.test(symbol))).toBe(true);
  });

  it('are small enough to ship', () => {
    const sizes = readdirSync(generatedDirectory).map((name) => statSync(join(generatedDirectory, name)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(400 * 1024);
  });

  it('fill two full sessions and a half day, at prices of which 250 USD buy a whole share', async () => {
    const { sessions, evidenceClass } = await readBars(generatedDirectory);
    expect(evidenceClass).toBe('simulated');
    expect(sessions.map(({ date, day, symbols }) => [date, day.kind, symbols.size])).toEqual([
      ['2025-11-25', 'full', 8],
      ['2025-11-26', 'full', 8],
      ['2025-11-28', 'half', 8],
    ]);
    for (const { day, symbols } of sessions) {
      for (const { bars } of symbols.values()) {
        expect(bars.start.length).toBe((day.closeAt - day.openAt) / 60_000);
        expect(Math.min(...bars.low)).toBeGreaterThan(15);
        expect(Math.max(...bars.high)).toBeLessThan(240);
      }
    }
  });

  it('move by 6 to 13 basis points a minute, and trade more at the open and close than at noon', async () => {
    const [session] = (await readBars(generatedDirectory)).sessions;
    for (const { bars } of session!.symbols.values()) {
      const returns = [...bars.close].slice(1).map((close, index) => Math.log(close / bars.close[index]!));
      const deviation = Math.sqrt(returns.reduce((sum, value) => sum + value * value, 0) / returns.length);
      expect(deviation).toBeGreaterThan(6e-4);
      expect(deviation).toBeLessThan(13e-4);
      const volume = (from: number): number =>
        bars.volume.slice(from, from + 30).reduce((sum, value) => sum + value, 0);
      expect(volume(0)).toBeGreaterThan(1.5 * volume(195));
      expect(volume(360)).toBeGreaterThan(1.2 * volume(195));
    }
  });
});
