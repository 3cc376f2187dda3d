import { toText } from '@torghut/domain';
import type { AccountLabel, ControlName, Instant } from '@torghut/domain';
import type { Queryable } from './pool.ts';

/** The controls an account starts with, as deployed. */
export interface InitialControls {
  readonly accountLabel: AccountLabel;
  readonly killSwitch: boolean;
  readonly tradingEnabled: boolean;
  readonly autonomyEnabled: boolean;
  readonly tradingMode: 'paper' | 'live';
  /** Who deploys. */
  readonly actor: string;
  readonly at: Instant;
}

interface ControlRow {
  readonly control: ControlName;
  readonly engaged: boolean;
  readonly value: string | null;
}

/**
 * Writes a row for each initial control the account has none of; controls in force stay as they are. The emergency
 * stop and reduce-only start released. `trading_mode`
 * carries its mode in `value`. Resolves with the controls that were written.
 */
export const seedControls = async (client: Queryable, initial: InitialControls): Promise<readonly ControlName[]> => {
  const rows: readonly ControlRow[] = [
    { control: 'kill_switch', engaged: initial.killSwitch, value: null },
    { control: 'emergency_stop', engaged: false, value: null },
    { control: 'reduce_only', engaged: false, value: null },
    { control: 'trading_enabled', engaged: initial.tradingEnabled, value: null },
    { control: 'autonomy_enabled', engaged: initial.autonomyEnabled, value: null },
    { control: 'trading_mode', engaged: true, value: initial.tradingMode },
  ];
  const written = await client.query<{ control: ControlName }>(
    `INSERT INTO trading_controls (account_label, control, engaged, value, reasons, actor, note, at)
     SELECT $1, initial.control, initial.engaged, initial.value, '[]', $2, 'initial value at deployment', $3
     FROM jsonb_to_recordset($4) AS initial (control text, engaged boolean, value text)
     ON CONFLICT (account_label, control) WHERE superseded_at IS NULL DO NOTHING
     RETURNING control`,
    [initial.accountLabel, initial.actor, toText(initial.at), JSON.stringify(rows)],
  );
  return written.rows.map(({ control }) => control);
};
