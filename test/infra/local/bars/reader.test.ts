import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newYorkTime, parseInstant, type Ticker } from '@torghut/domain';
import { BarsError } from '../../../../infra/local/bars/bars.ts';
import { barHeader, quoteHeader } from '../../../../infra/local/bars/csv.ts';
import { readBars } from '../../../../infra/local/bars/reader.ts';
import { marketDataDirectory, missingMarketData } from '../../../support/market-data.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'torghut-bars-'));
});
afterEach(() => rm(directory, { recursive: true }));

const write = (name: string, text: string): Promise<void> =>
  writeFile(join(directory, name), name.endsWith('.gz') ? gzipSync(text) : text);
const bars = (...rows: string[]): string => [barHeader, ...rows, ''].join('\n');
const quotes = (...rows: string[]): string => [quoteHeader, ...rows, ''].join('\n');
const symbol = (text: string): Ticker => text as Ticker;
const row = (time: string, prices = '10,11,9,10.5,100'): string => `2025-11-25T${time}Z,${prices}`;

describe('reading bars', () => {
  it('gives columns by session and symbol, from plain and compressed files', async () => {
    await write('BBB_1m.csv', bars(row('14:30:00', '10,11.25,9,10.5,100'), row('14:32:00', '10.5,10.5,10.5,10.5,0')));
    await write('AAA_1m.csv.gz', bars(row('15:00:00'), '2025-11-26T14:30:00Z,1,1,1,1,1'));
    await write('README.md', 'not bars');
    const set = await readBars(directory);
    expect(set).toMatchObject({ frequency: '1m', symbols: ['AAA', 'BBB'], barsOutsideSession: 0 });
    expect(set.sessions.map(({ date, symbols }) => [date, ...symbols.keys()])).toEqual([
      ['2025-11-25', 'AAA', 'BBB'],
      ['2025-11-26', 'AAA'],
    ]);
    const read = set.sessions[0]!.symbols.get(symbol('BBB'))!;
    expect(read.quotes).toBeNull();
    expect(
      Object.fromEntries(Object.entries(read.bars).map(([name, column]) => [name, [...(column as Float64Array)]])),
    ).toEqual({
      start: [parseInstant('2025-11-25T14:30:00Z'), parseInstant('2025-11-25T14:32:00Z')],
      open: [10, 10.5],
      high: [11.25, 10.5],
      low: [9, 10.5],
      close: [10.5, 10.5],
      volume: [100, 0],
    });
  });

  it.each([
    ['none', null, 'observed'],
    ['one of generated bars', '{"generated":true,"seed":1}', 'simulated'],
    ['one of bars that were not generated', '{"generated":false}', 'observed'],
  ])('are evidence by the manifest beside them, wherever they are: %s', async (_, manifest, evidenceClass) => {
    await write('AAA_1m.csv', bars(row('14:30:00')));
    if (manifest !== null) await write('manifest.json', manifest);
    expect(await readBars(directory)).toMatchObject({ evidenceClass });
  });

  it.each(['{}', 'generated', '{"generated":"no"}'])(
    'with the manifest %s beside them are refused',
    async (manifest) => {
      await write('AAA_1m.csv', bars(row('14:30:00')));
      await write('manifest.json', manifest);
      await expect(readBars(directory)).rejects.toThrow(/manifest\.json: expected JSON that says whether/);
    },
  );

  it('keeps bars that start within the regular session, to the minute, on a half day too', async () => {
    const times = ['2025-11-26T14:29:00', '2025-11-26T14:30:00', '2025-11-26T20:59:00', '2025-11-26T21:00:00'];
    const half = ['2025-11-28T14:30:00', '2025-11-28T17:59:00', '2025-11-28T18:00:00', '2025-11-29T15:00:00'];
    await write('AAA_1m.csv', bars(...[...times, ...half].map((time) => `${time}Z,1,1,1,1,1`)));
    const kept = async (hours: 'regular' | 'extended'): Promise<string[][]> =>
      (await readBars(directory, { hours })).sessions.map(({ symbols }) =>
        [...symbols.get(symbol('AAA'))!.bars.start].map(newYorkTime),
      );
    expect(await kept('regular')).toEqual([
      ['09:30', '15:59'],
      ['09:30', '12:59'],
    ]);
    expect(await kept('extended')).toEqual([
      ['09:29', '09:30', '15:59', '16:00'],
      ['09:30', '12:59', '13:00'],
    ]);
    expect((await readBars(directory)).barsOutsideSession).toBe(4);
  });

  it('takes minutes unless seconds are asked for or nothing else is there', async () => {
    await write('AAA_1m.csv', bars(row('14:30:00')));
    await write('AAA_1s.csv', bars(row('14:30:01'), row('14:30:02')));
    const lengths = async (frequency?: '1s' | '1m'): Promise<number[]> =>
      (await readBars(directory, frequency === undefined ? {} : { frequency })).sessions.map(
        ({ symbols }) => symbols.get(symbol('AAA'))!.bars.start.length,
      );
    expect([await lengths(), await lengths('1m'), await lengths('1s')]).toEqual([[1], [1], [2]]);
    await rm(join(directory, 'AAA_1m.csv'));
    expect(await lengths()).toEqual([2]);
  });

  it('reads quotes of the same frequency and leaves crossed ones out', async () => {
    await write('AAA_1m.csv', bars(row('14:30:00')));
    await write(
      'AAA_quote_1m.csv',
      quotes(
        row('14:30:00', '9.9,9.9,9.8,9.8,300,10,10.1,10,10.1,200'),
        row('14:31:00', '10.2,10.2,10.2,10.2,1,10.1,10.1,10.1,10.1,1'),
      ),
    );
    const read = (await readBars(directory)).sessions[0]!.symbols.get(symbol('AAA'))!.quotes!;
    expect([[...read.bidClose], [...read.askClose], [...read.bidSize]]).toEqual([[9.8], [10.1], [300]]);
  });

  it('reads only the symbols asked for', async () => {
    await write('AAA_1m.csv', bars(row('14:30:00')));
    await write('BBB_1m.csv', 'not read, so not checked');
    expect((await readBars(directory, { symbols: [symbol('AAA')] })).symbols).toEqual(['AAA']);
  });
});

describe('bad bars are refused with one line that says where, what was expected and what was found', () => {
  it.each([
    [
      'a wrong header',
      ['time,o,h,l,c,v'],
      ':1: expected the header "ts,open,high,low,close,volume", found "time,o,h,l,c,v"',
    ],
    ['an empty file', [''], ':1: expected the header'],
    ['a missing field', [barHeader, row('14:30:00', '1,1,1,1')], ':2: expected 6 fields, found 5'],
    [
      'a negative volume',
      [barHeader, row('14:30:00', '1,1,1,1,-5')],
      ':2: expected a decimal number >= 0 in volume, found "-5"',
    ],
    ['a word', [barHeader, row('14:30:00', '1,NaN,1,1,5')], ':2: expected a decimal number >= 0 in high, found "NaN"'],
    [
      'an exponent',
      [barHeader, row('14:30:00', '1,1e3,1,1,5')],
      ':2: expected a decimal number >= 0 in high, found "1e3"',
    ],
    [
      'an empty number',
      [barHeader, row('14:30:00', '1,1,,1,5')],
      ':2: expected a decimal number >= 0 in low, found ""',
    ],
    ['a price of zero', [barHeader, row('14:30:00', '0,1,0,1,5')], ':2: expected low > 0, found 0'],
    [
      'a low above the close',
      [barHeader, row('14:30:00'), row('14:31:00', '5,6,4,3,1')],
      ':3: expected low <= open, close <= high, found open 5, high 6, low 4, close 3',
    ],
    ['a high below the open', [barHeader, row('14:30:00', '7,6,4,5,1')], ':2: expected low <= open, close <= high'],
    [
      'time going back',
      [barHeader, row('14:31:00'), row('14:30:00')],
      ':3: expected a later ts than on the line before, found "2025-11-25T14:30:00Z"',
    ],
    [
      'time standing still',
      [barHeader, row('14:31:00'), row('14:31:00')],
      ':3: expected a later ts than on the line before',
    ],
    [
      'a time without a zone',
      [barHeader, '2025-11-25T14:30:00,1,1,1,1,1'],
      ':2: expected an ISO-8601 UTC time in ts, found "2025-11-25T14:30:00"',
    ],
    [
      'a time in another zone',
      [barHeader, '2025-11-25T09:30:00-05:00,1,1,1,1,1'],
      ':2: expected an ISO-8601 UTC time in ts',
    ],
    [
      'a day that does not exist',
      [barHeader, '2025-02-30T14:30:00Z,1,1,1,1,1'],
      ':2: expected a date of the calendar in ts, found "2025-02-30T14:30:00Z"',
    ],
    [
      'a year without a known New York time',
      [barHeader, '1999-02-03T14:30:00Z,1,1,1,1,1'],
      ':2: expected a time that has a New York date, found "1999-02-03T14:30:00Z"',
    ],
    [
      'a minute bar between minutes',
      [barHeader, row('14:30:30')],
      ':2: expected the start of a bar of 60 s in ts, found "2025-11-25T14:30:30Z"',
    ],
  ])('%s', async (_, lines, message) => {
    await write('AAA_1m.csv', lines.join('\n'));
    const error: unknown = await readBars(directory).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BarsError);
    expect((error as BarsError).message).toContain(`AAA_1m.csv${message}`);
    expect((error as BarsError).message).not.toContain('\n');
  });

  it('a quote with a low bid above its close', async () => {
    await write('AAA_1m.csv', bars(row('14:30:00')));
    await write('AAA_quote_1m.csv', quotes(row('14:30:00', '9,9,9,8,1,10,10,10,10,1')));
    await expect(readBars(directory)).rejects.toThrow('AAA_quote_1m.csv:2: expected bid_low <= open, close <= high');
  });

  it('a damaged compressed file', async () => {
    await writeFile(join(directory, 'AAA_1m.csv.gz'), 'plain text');
    await expect(readBars(directory)).rejects.toThrow(
      /AAA_1m\.csv\.gz: expected a readable gzip file, found incorrect header check/,
    );
  });

  it('two files of one symbol', async () => {
    await write('AAA_1m.csv', bars(row('14:30:00')));
    await write('AAA_1m.csv.gz', bars(row('14:30:00')));
    await expect(readBars(directory)).rejects.toThrow('expected one file of AAA, found AAA_1m.csv and AAA_1m.csv.gz');
  });

  it('a directory that is absent, empty, or holds something else', async () => {
    await expect(readBars(join(directory, 'absent'))).rejects.toThrow(
      /absent: expected a directory of bars, found ENOENT/,
    );
    await expect(readBars(directory)).rejects.toThrow(
      'expected files named <SYMBOL>_1m.csv[.gz] or <SYMBOL>_1s.csv[.gz], found an empty directory',
    );
    await write('notes.csv', 'x');
    await expect(readBars(directory)).rejects.toThrow('found only notes.csv');
  });

  it('a symbol or frequency that is not there', async () => {
    await write('AAA_1m.csv', bars(row('14:30:00')));
    await expect(readBars(directory, { symbols: [symbol('BBB')] })).rejects.toThrow(
      'expected 1m bars of BBB, found only AAA',
    );
    await expect(readBars(directory, { frequency: '1s' })).rejects.toThrow(
      'expected 1s bars of at least one symbol, found none',
    );
  });

  it('bars that all lie outside the session', async () => {
    await write('AAA_1m.csv', bars('2025-11-27T15:00:00Z,1,1,1,1,1'));
    await expect(readBars(directory)).rejects.toThrow(
      'expected bars within regular trading hours, found 1 bars outside of them',
    );
  });
});

describe('real bars', () => {
  const minutes = missingMarketData('us-1m-2018');
  it.skipIf(minutes)(`of 24 stocks give 44 sessions ${minutes ?? ''}`, async () => {
    const set = await readBars(marketDataDirectory('us-1m-2018')!);
    expect([set.symbols.length, set.sessions.length, set.barsOutsideSession]).toEqual([24, 44, 0]);
    expect(set.sessions.every(({ symbols }) => symbols.get(symbol('AAPL'))?.bars.start.length === 390)).toBe(true);
  });

  const seconds = missingMarketData('us-2013-2023');
  it.skipIf(seconds)(`of seconds come with their quotes ${seconds ?? ''}`, async () => {
    const set = await readBars(marketDataDirectory('us-2013-2023')!, { frequency: '1s', symbols: [symbol('SPY')] });
    const session = set.sessions.find(({ date }) => date === '2013-10-08')!.symbols.get(symbol('SPY'))!;
    expect([session.bars.start.length, session.quotes!.start.length]).toEqual([19_516, 23_128]);
  });
});
