import { second, type Instant } from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import type { Breach } from './invariants.ts';
import type { AnsweredLookup } from './network.ts';
import type { Actor } from './scheduler.ts';
import type { World } from './world.ts';

interface Receipt {
  readonly id: string;
  readonly client_order_id: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly outcome_codes: readonly string[];
  readonly fencing_token: number;
}

/** Whether a statement may have changed a receipt. */
export const writesReceipts = (statement: string): boolean => /(?:UPDATE|INTO) broker_receipts/.test(statement);

/** Whether a statement writes the first receipt of an order. */
export const insertsReceipt = (statement: string): boolean => statement.includes('INTO broker_receipts');

/** Looks that have to say "absent", and how long after the write the last of them. */
const looksForAbsence = 3;
const absenceAfterMs = 5 * second;
/** A decision that nobody claims in time ends together with claims that were given up. */
const endedUnclaimed = 'decision_timeout_unsubmitted';

/** Follows who holds the write of each order, and on what grounds it is settled. */
export class ReceiptWatch {
  readonly #app: Pool;
  readonly #known = new Map<string, Receipt>();
  /** Who drew a token. */
  readonly #holders = new Map<number, Actor>();
  readonly #looks: AnsweredLookup[] = [];
  /** When a write was begun, by the true time. */
  readonly #begun = new Map<string, Instant>();

  constructor(app: Pool) {
    this.#app = app;
  }

  lookedUp(lookup: AnsweredLookup): void {
    this.#looks.push(lookup);
  }

  /** What the actor that has just committed was not entitled to. */
  async look({ account, scheduler }: World, actor: Actor): Promise<readonly Breach[]> {
    const { rows } = await this.#app.query<Receipt>(
      `SELECT id, client_order_id, state, outcome, outcome_codes, fencing_token FROM broker_receipts
        WHERE account_label = $1 AND operation = 'submit' ORDER BY claimed_at, id`,
      [account],
    );
    return rows.flatMap((receipt) => {
      const before = this.#known.get(receipt.id);
      this.#known.set(receipt.id, receipt);
      if (receipt.state === 'io' && before?.state !== 'io') this.#begun.set(receipt.id, scheduler.now());
      if (before?.fencing_token !== receipt.fencing_token) {
        this.#holders.set(receipt.fencing_token, actor);
        if (receipt.outcome !== 'not_found') return [];
      }
      if (before?.state === receipt.state && before.outcome === receipt.outcome) return [];
      return [...this.#fencing(receipt, actor), ...this.#absence(receipt)];
    });
  }

  #fencing(receipt: Receipt, actor: Actor): readonly Breach[] {
    const holder = this.#holders.get(receipt.fencing_token);
    if (holder === actor || receipt.outcome_codes.includes(endedUnclaimed)) return [];
    return [
      {
        invariant: 'fenced',
        detail: `${receipt.client_order_id}: ${actor.name} made it ${receipt.outcome ?? receipt.state}, ${holder?.name ?? 'nobody'} holds it`,
      },
    ];
  }

  #absence({ id: receipt, client_order_id: id, outcome }: Receipt): readonly Breach[] {
    const wroteAt = this.#begun.get(receipt);
    if (outcome !== 'not_found' || wroteAt === undefined) return [];
    const looks = this.#looks.filter(({ clientOrderId, absent }) => clientOrderId === id && absent);
    const last = looks.at(-1);
    if (looks.length >= looksForAbsence && last !== undefined && last.at - wroteAt >= absenceAfterMs) return [];
    return [{ invariant: 'absence_proved', detail: `${id}: believed absent after ${looks.length} looks` }];
  }
}
