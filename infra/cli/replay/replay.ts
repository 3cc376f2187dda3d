import { minute, parseInstant, parseSettings, toText, type Instant, type Settings } from '@torghut/domain';
import { replayDecisions, type Replay, type ReplayedWindow } from '@torghut/domain/research';
import {
  clickHouseSignalHistory,
  columnTypes,
  fixedCredentials,
  postgresReplayLedger,
  type ClickHouseCredentials,
  type Environment,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import { withLedger } from '../ledger-connection.ts';
import { foundWords, parseOptions, readAccount, UsageError } from '../options.ts';
import { saying, type Said } from '../verify/evidence-command.ts';

/** Makes the decisions of live windows again from the stored stream, and compares them bit by bit. Nothing is written. */
const usage = `usage: npx torghut replay --from TIME --to TIME [options]
  --from, --to    scheduled times of the first and the last window, such as 2026-02-13T14:30:00Z; 31 days at most
  --account       label of the account (default: TRADING_ACCOUNT_LABEL, else paper)
  --json          print the result as JSON
DATABASE_URL is the connection of a member of torghut_readonly, TA_CLICKHOUSE_URL that of the signal store
(http://user:password@host:8123). Limits and tables are those of the TRADING_ variables of the deployment.
Exit codes: 0 every decision came out again; 1 something differs, the first value of each decision is named;
2 the command line; 3 it could not be read.`;

const options = {
  from: { type: 'string' },
  to: { type: 'string' },
  account: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

const longestMs = 31 * 24 * 60 * minute;

const readTime = (name: 'from' | 'to', text: string | undefined): Instant => {
  if (text === undefined) throw new UsageError(`--${name}: expected a time, found none; --help lists the options`);
  try {
    return parseInstant(text);
  } catch (error) {
    throw new UsageError(`--${name}: ${(error as Error).message}`);
  }
};

/** The store's address without the login, and the login. */
const signalStoreOf = (settings: Settings): { readonly url: string; readonly credentials: ClickHouseCredentials } => {
  if (settings.TA_CLICKHOUSE_URL === null) throw new UsageError('TA_CLICKHOUSE_URL: expected a URL, found none');
  const url = new URL(settings.TA_CLICKHOUSE_URL);
  const credentials = {
    username: url.username === '' ? 'default' : decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
  url.username = '';
  url.password = '';
  return { url: url.href, credentials };
};

const settingsOf = (environment: Environment): Settings => {
  try {
    return parseSettings(environment);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
};

const row = (cells: readonly (string | number)[]): string =>
  cells.map((cell, index) => (index === 0 ? String(cell).padEnd(24) : String(cell).padStart(10))).join('  ');

/** Windows with decisions, or with something that differs; the sums are of all. */
const tableOf = (windows: readonly ReplayedWindow[]): readonly string[] => [
  row(['window', 'signals', 'decisions', 'equal', 'different']),
  ...windows
    .filter(({ decisions, findings }) => decisions > 0 || findings.length > 0)
    .map(({ start, signals, decisions, equal, different }) =>
      row([toText(start), signals, decisions, equal, different]),
    ),
];

const linesOf = (replayed: Extract<Replay, { ok: true }>): readonly string[] => {
  const explained = Object.entries(replayed.explained).map(([reason, count]) => `${count} ${reason}`);
  return [
    ...tableOf(replayed.windows),
    row([
      `${replayed.windows.length} windows`,
      replayed.windows.reduce((sum, { signals }) => sum + signals, 0),
      replayed.decisions,
      replayed.equal,
      replayed.different,
    ]),
    `intents without a decision: ${explained.length === 0 ? 'none' : explained.join(', ')}`,
    ...(replayed.shownLater === 0 ? [] : [`${replayed.shownLater} rows the store showed only to a later window`]),
    ...replayed.findings.map(({ code, place, detail }) => `${code}  ${place}  ${detail}`),
    replayed.findings.length === 0
      ? 'every decision came out again'
      : `${replayed.findings.length} findings: the decisions do not all come out again`,
  ];
};

/** `npx torghut replay`, from its words to what it says. */
export const replay = (words: readonly string[], environment: Environment = process.env): Promise<Said> =>
  saying(async () => {
    const values = parseOptions(words, options);
    if (values.help === true) return { code: 0, lines: [usage] };
    const [from, to] = [readTime('from', values.from), readTime('to', values.to)];
    if (to < from || to - from > longestMs)
      throw new UsageError(
        `--to: expected a time from --from to 31 days after it, found ${foundWords([values.to ?? ''])}`,
      );
    const settings = settingsOf(environment);
    const accountLabel = values.account === undefined ? settings.TRADING_ACCOUNT_LABEL : readAccount(values.account);
    const { url, credentials } = signalStoreOf(settings);
    const clickhouse = createClickHouse({
      url,
      credentials: fixedCredentials(credentials),
      timeoutSeconds: settings.TA_CLICKHOUSE_TIMEOUT_SECONDS,
    });
    try {
      const replayed = await withLedger(
        'torghut-replay',
        (client) =>
          replayDecisions(
            from,
            to,
            {
              ledger: postgresReplayLedger(client, accountLabel),
              signals: clickHouseSignalHistory(clickhouse, {
                signals: settings.TRADING_SIGNAL_TABLE,
                bars: settings.TRADING_PRICE_TABLE,
              }),
            },
            { accountLabel, windowSize: settings.TRADING_SIGNAL_WINDOW_SIZE, limits: settings.limits },
          ),
        { environment, types: columnTypes },
      );
      if (!replayed.ok) return { code: 3, lines: [`the signal store could not be read: ${replayed.detail}`] };
      if (replayed.windows.length === 0)
        return {
          code: 3,
          lines: [`expected windows of ${accountLabel} from ${toText(from)} to ${toText(to)}, found none`],
        };
      return {
        code: replayed.findings.length === 0 ? 0 : 1,
        lines: values.json === true ? [JSON.stringify(replayed, null, 2)] : linesOf(replayed),
      };
    } finally {
      await clickhouse.close();
    }
  });
