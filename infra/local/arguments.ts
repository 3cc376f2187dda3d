import { asTicker, type Ticker } from '@torghut/domain';
import { parseOptions, UsageError } from '../cli/options.ts';
import { venueFaults, type VenueFaultName } from './twins/index.ts';

/** Options of the main command. */
export interface Arguments {
  readonly help: boolean;
  readonly barsDirectory: string | null;
  readonly symbols: readonly Ticker[] | null;
  readonly days: number | null;
  readonly exit: boolean;
  readonly jsonFile: string | null;
  readonly lean: VenueFaultName | null;
  readonly alpaca: VenueFaultName | null;
  readonly dataDirectory: string | null;
  readonly port: number;
}

export const usage = `usage: npm start [-- options]
  --bars DIR            bars to replay: <SYMBOL>_1m.csv[.gz] or _1s, columns ts,open,high,low,close,volume (default: the generated set)
  --symbols A,B         only these symbols
  --days N              only the first N days
  --exit                end after the summary instead of serving the API
  --json FILE           write the summary as JSON
  --lean down|slow|flaky, --alpaca down|slow|flaky
                        make a venue misbehave
  --data DIR            keep the state there; a killed run goes on where it was
  --port N              port of the API on 127.0.0.1 (default 8080; 0: any free one)
  --help`;

const faultNames = Object.keys(venueFaults) as VenueFaultName[];

const fault = (option: string, value: string | undefined): VenueFaultName | null => {
  if (value === undefined) return null;
  const name = faultNames.find((known) => known === value);
  if (name === undefined) throw new UsageError(`--${option}: expected ${faultNames.join(', ')}, found "${value}"`);
  return name;
};

const wholeNumber = (option: string, value: string, min: number, max: number): number => {
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (!(number >= min && number <= max))
    throw new UsageError(`--${option}: expected a whole number from ${min} to ${max}, found "${value}"`);
  return number;
};

const options = {
  bars: { type: 'string' },
  symbols: { type: 'string' },
  days: { type: 'string' },
  exit: { type: 'boolean' },
  json: { type: 'string' },
  lean: { type: 'string' },
  alpaca: { type: 'string' },
  data: { type: 'string' },
  port: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** @throws UsageError naming the option, what was expected and what was found. */
export const parseArguments = (words: readonly string[]): Arguments => {
  const values = parseOptions(words, options);
  const symbols = values.symbols?.split(',').map((text) => {
    const ticker = asTicker(text);
    if (ticker === null) throw new UsageError(`--symbols: expected symbols such as AAPL,MSFT, found "${text}"`);
    return ticker;
  });
  return {
    help: values.help ?? false,
    barsDirectory: values.bars ?? null,
    symbols: symbols ?? null,
    days: values.days === undefined ? null : wholeNumber('days', values.days, 1, 10_000),
    exit: values.exit ?? false,
    jsonFile: values.json ?? null,
    lean: fault('lean', values.lean),
    alpaca: fault('alpaca', values.alpaca),
    dataDirectory: values.data ?? null,
    port: values.port === undefined ? 8080 : wholeNumber('port', values.port, 0, 65_535),
  };
};
