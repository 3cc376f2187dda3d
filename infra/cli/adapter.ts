import { type AdapterStateName, asTicker, executionAdapters } from '@torghut/domain';
import * as z from 'zod';
import { changeOptions, changeUsage, type ChangeWords, postChange, readChange } from './operator/change.ts';
import { askJson, type CommandDefinition } from './operator/command.ts';
import { foundWords, UsageError } from './options.ts';

/** `npx torghut adapter`: which adapters take orders, and for which symbols. */

const actions: Readonly<Record<string, AdapterStateName>> = {
  enable: 'enabled',
  disable: 'disabled',
  canary: 'canary',
  review: 'manual_review',
};

const stateSchema = z.object({
  adapter: z.string(),
  symbol: z.string().nullable(),
  state: z.string(),
  breaker: z.string(),
  actor: z.string(),
  reason: z.string(),
  at: z.string(),
});
const listSchema = z.object({
  as_of: z.string(),
  account_label: z.string(),
  adapters: z.array(stateSchema),
  history: z.array(stateSchema),
});
const changedSchema = stateSchema.extend({
  from: z.string().optional(),
  raise: z.boolean().optional(),
  repeated: z.boolean(),
  effective: z.string(),
});

const place = ({ adapter, symbol }: { readonly adapter: string; readonly symbol: string | null }): string =>
  symbol === null ? adapter : `${symbol} on ${adapter}`;

const stateLine = (row: z.infer<typeof stateSchema>): string =>
  `${place(row)}: ${row.state}, breaker ${row.breaker}; since ${row.at} by ${row.actor}: ${row.reason}`;

const changedLines = (row: z.infer<typeof changedSchema>): readonly string[] => {
  const before =
    row.from === undefined ? '' : ` (was ${row.from}${row.raise === true ? '; LEAN takes more than before' : ''})`;
  return [
    `${place(row)} is ${row.state}${before}`,
    `${row.repeated ? 'made before' : 'made'} at ${row.at} by ${row.actor}, effective ${row.effective}; breaker ${row.breaker}`,
  ];
};

type Plan =
  | { readonly kind: 'list' }
  | {
      readonly kind: 'set';
      readonly path: string;
      readonly state: AdapterStateName;
      readonly change: ChangeWords;
    };

export const command: CommandDefinition<Plan> = {
  name: 'adapter',
  usage: `list | ${Object.keys(actions).join('|')} --adapter ${executionAdapters.join('|')} [--symbol X] --reason TEXT [options]
  list                  states in force and the last changes
  enable, disable       take orders, or none
  canary                of an adapter: take only symbols that are canary themselves; of a symbol: be one of them
  review                take none until an operator enables it
  --adapter NAME        which adapter
  --symbol X            only this symbol on it
${changeUsage}
LEAN takes more than before only while signals are stable and parity symbols have passed.`,
  options: ['adapter', 'symbol', ...changeOptions],
  plan: (words) => {
    const [action, ...rest] = words.positionals;
    if (action === 'list' && rest.length === 0) return { kind: 'list' };
    const state = action === undefined ? undefined : actions[action];
    if (state === undefined || rest.length > 0)
      throw new UsageError(`expected list, ${Object.keys(actions).join(', ')}, found ${foundWords(words.positionals)}`);
    const adapter = words.value('adapter');
    if (!(executionAdapters as readonly (string | null)[]).includes(adapter))
      throw new UsageError(
        `--adapter: expected ${executionAdapters.join(' or ')}, found ${adapter === null ? 'nothing' : `"${adapter}"`}`,
      );
    const given = words.value('symbol');
    const symbol = given === null ? null : asTicker(given);
    if (given !== null && symbol === null)
      throw new UsageError(`--symbol: expected a symbol such as NVDA, found "${given}"`);
    const path = `/trading/adapters/${adapter ?? ''}${symbol === null ? '' : `/${encodeURIComponent(symbol)}`}`;
    return { kind: 'set', path, state, change: readChange(words) };
  },
  run: async (plan, asked) => {
    if (plan.kind === 'set')
      return postChange(asked, plan.path, { state: plan.state }, plan.change, changedSchema, changedLines);
    const { body, sent } = await askJson(asked.api, '/trading/adapters', listSchema);
    if (asked.json) {
      asked.print(JSON.stringify(sent, null, 2));
      return 0;
    }
    const { account_label: account, as_of: at, adapters, history } = body;
    asked.print(`account ${account} at ${at}`);
    if (adapters.length === 0) asked.print('no adapter has a state of its own: all are enabled, breakers closed');
    for (const row of adapters) asked.print(stateLine(row));
    if (history.length > 0) asked.print('last changes, newest first:');
    for (const row of history) asked.print(`  ${stateLine(row)}`);
    return 0;
  },
};
