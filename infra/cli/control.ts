import { stoppingControlNames } from '@torghut/domain';
import * as z from 'zod';
import { changeOptions, changeUsage, type ChangeWords, postChange, readChange } from './operator/change.ts';
import { askJson, type CommandDefinition } from './operator/command.ts';
import { foundWords, UsageError } from './options.ts';

/** `npx torghut control`: what stops orders, and who set it. */

const permission = z.object({ allowed: z.boolean(), stopped_by: z.array(z.string()) });
const inForce = z.object({ entries: permission, exits: permission, cancels: permission });
const controlsSchema = z.object({
  as_of: z.string(),
  account_label: z.string(),
  unreadable: z.string().nullable(),
  in_force: inForce,
  controls: z.array(
    z.object({
      control: z.string(),
      engaged: z.boolean(),
      value: z.string().nullable(),
      effect: z.string().nullable(),
      actor: z.string(),
      note: z.string(),
      at: z.string(),
    }),
  ),
});

const permissionLines = (given: z.infer<typeof inForce>): readonly string[] =>
  (['entries', 'exits', 'cancels'] as const).map((kind) => {
    const { allowed, stopped_by: by } = given[kind];
    return `${kind.padEnd(8)} ${allowed ? 'go out' : `stopped by ${by.join(', ')}`}`;
  });

const changedSchema = z.object({
  effect: z.string(),
  effective: z.string(),
  actor: z.string(),
  at: z.string(),
  repeated: z.boolean(),
  in_force: inForce,
});

const changedLines = (answer: z.infer<typeof changedSchema>): readonly string[] => {
  const { effect, effective, actor, at, repeated, in_force: given } = answer;
  return [
    effect,
    `${repeated ? 'made before' : 'made'} at ${at} by ${actor}, effective ${effective}`,
    ...permissionLines(given),
  ];
};

type Plan =
  | { readonly kind: 'list' }
  | { readonly kind: 'set'; readonly control: string; readonly engaged: boolean; readonly change: ChangeWords };

export const command: CommandDefinition<Plan> = {
  name: 'control',
  usage: `list | engage|release ${stoppingControlNames.join('|')} --reason TEXT [options]
  list                  what may go out now, and each control with what it does
  engage, release       set a control: kill_switch engaged stops entries and exits; reduce_only engaged stops entries,
                        exits continue; trading_enabled released stops entries and exits; autonomy_enabled released stops
                        new decisions; cancels always continue
${changeUsage}`,
  options: changeOptions,
  plan: (words) => {
    const [action, control, ...rest] = words.positionals;
    if (action === 'list' && control === undefined) return { kind: 'list' };
    if ((action !== 'engage' && action !== 'release') || rest.length > 0)
      throw new UsageError(`expected list, engage CONTROL or release CONTROL, found ${foundWords(words.positionals)}`);
    if (control === undefined || !(stoppingControlNames as readonly string[]).includes(control))
      throw new UsageError(
        `expected one of ${stoppingControlNames.join(', ')}, found ${control === undefined ? 'none' : `"${control}"`}`,
      );
    return { kind: 'set', control, engaged: action === 'engage', change: readChange(words) };
  },
  run: async (plan, asked) => {
    if (plan.kind === 'set') {
      const path = `/trading/controls/${plan.control.replaceAll('_', '-')}`;
      return postChange(asked, path, { engaged: plan.engaged }, plan.change, changedSchema, changedLines);
    }
    const { body, sent } = await askJson(asked.api, '/trading/controls', controlsSchema);
    if (asked.json) {
      asked.print(JSON.stringify(sent, null, 2));
      return 0;
    }
    const { account_label: account, as_of: at, unreadable, in_force: given, controls } = body;
    asked.print(`account ${account} at ${at}`);
    if (unreadable !== null) asked.print(`the controls are unreadable, which is closed: ${unreadable}`);
    for (const line of permissionLines(given)) asked.print(line);
    for (const row of controls) {
      const set = row.effect ?? `${row.control} is ${row.value ?? (row.engaged ? 'engaged' : 'released')}`;
      asked.print(`${set}; since ${row.at} by ${row.actor}: ${row.note}`);
    }
    return 0;
  },
};
