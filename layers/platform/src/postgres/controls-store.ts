import {
  tradingControls,
  type AccountControls,
  type AccountLabel,
  type ControlName,
  type Instant,
  type OperatorControl,
} from '@torghut/domain';
import { lockAccount } from './account-lock.ts';
import { jsonText } from './json.ts';
import { actorOf, rowIdOf, type OperatorChange } from './operator-change.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';
import { instantText } from './read-model/sql.ts';

/** A row of `trading_controls`; times are UTC text. */
export interface StoredControl {
  readonly id: string;
  readonly control: ControlName;
  readonly engaged: boolean;
  readonly value: string | null;
  readonly reasons: readonly unknown[];
  readonly actor: string;
  readonly note: string;
  readonly at: string;
}

export interface ControlChange extends OperatorChange {
  readonly control: OperatorControl;
  readonly engaged: boolean;
}

export type ControlChanged =
  /** `repeated`: the change of this token was made before and is told again. */
  | {
      readonly kind: 'changed';
      readonly row: StoredControl;
      readonly repeated: boolean;
      readonly controls: AccountControls;
    }
  | { readonly kind: 'no_change'; readonly row: StoredControl }
  /** The token was used for another change. */
  | { readonly kind: 'token_reused'; readonly row: StoredControl };

const columns = `id, control, engaged, value, reasons, actor, note, ${instantText('at')} AS at`;

export interface ControlsRead {
  readonly controls: AccountControls;
  readonly rows: readonly StoredControl[];
}

/** The controls in force, and what they come to. */
export const readControls = async (db: Queryable, account: AccountLabel): Promise<ControlsRead> => {
  const { rows } = await db.query<StoredControl>(
    `SELECT ${columns} FROM trading_controls WHERE account_label = $1 AND superseded_at IS NULL ORDER BY control`,
    [account],
  );
  const autonomy = rows.find(({ control }) => control === 'autonomy_enabled');
  return { rows, controls: { trading: tradingControls(rows), autonomyEnabled: autonomy?.engaged === true } };
};

/**
 * Supersedes a control under the account's lock, so that no claim reads half a change: claims that wait for the lock read
 * the new row, claims before it are in flight.
 */
export const changeControl = (
  pool: Pool,
  account: AccountLabel,
  change: ControlChange,
  now: Instant,
): Promise<ControlChanged> =>
  inTransaction(pool, async (client) => {
    await lockAccount(client, account);
    const id = change.requestId === null ? null : rowIdOf(account, 'control', change.requestId);
    const found = await client.query<StoredControl & { readonly superseded: boolean }>(
      `SELECT ${columns}, superseded_at IS NOT NULL AS superseded FROM trading_controls
       WHERE account_label = $1 AND (id = $2 OR (control = $3 AND superseded_at IS NULL))`,
      [account, id, change.control],
    );
    const told = found.rows.find((row) => row.id === id);
    if (told !== undefined) {
      const same = told.control === change.control && told.engaged === change.engaged && told.note === change.reason;
      if (!same) return { kind: 'token_reused', row: told };
      return { kind: 'changed', row: told, repeated: true, controls: (await readControls(client, account)).controls };
    }
    const current = found.rows.find((row) => !row.superseded);
    if (current?.engaged === change.engaged) return { kind: 'no_change', row: current };
    const at = new Date(now);
    if (current !== undefined)
      await client.query(`UPDATE trading_controls SET superseded_at = $2 WHERE id = $1`, [current.id, at]);
    const { rows } = await client.query<StoredControl>(
      `INSERT INTO trading_controls (id, account_label, control, engaged, value, reasons, actor, note, at)
       VALUES (coalesce($1::uuid, gen_random_uuid()), $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${columns}`,
      [
        id,
        account,
        change.control,
        change.engaged,
        current?.value ?? null,
        jsonText([{ code: 'operator_request', observed: change.engaged, limit: null, at }]),
        actorOf(change.actor),
        change.reason,
        at,
      ],
    );
    const [row] = rows;
    if (row === undefined) throw new Error('expected the inserted control, found none');
    return { kind: 'changed', row, repeated: false, controls: (await readControls(client, account)).controls };
  });
