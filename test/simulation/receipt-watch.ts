import { decimal, second, zero, type ExecutionAdapter, type Instant } from '@torghut/domain';
import type { Pool } from '@torghut/platform';
import type { AlpacaTwin } from '../../infra/local/twins/index.ts';
import type { Breach } from './invariants.ts';
import type { AnsweredLookup } from './network.ts';
import type { StoppingControl } from './scenario.ts';
import type { Actor } from './scheduler.ts';
import type { World } from './world.ts';

interface Receipt {
  readonly id: string;
  readonly client_order_id: string;
  readonly adapter: ExecutionAdapter;
  readonly symbol: string;
  readonly action: string | null;
  readonly intent: string | null;
  readonly io_at: Instant | null;
  readonly state: string;
  readonly outcome: string | null;
  readonly outcome_codes: readonly string[];
  readonly fencing_token: number;
}

/** What keeps new writes from being begun: a control, or an adapter that is disabled. */
export type Obstacle = StoppingControl | ExecutionAdapter;

/** Outcomes that say there is no order. */
const absences: ReadonlySet<string> = new Set(['not_found', 'not_sent']);

/** Whether a statement may have changed a receipt. */
export const writesReceipts = (statement: string): boolean => /(?:UPDATE|INTO) broker_receipts/.test(statement);

/** Whether a statement writes the first receipt of an order. */
export const insertsReceipt = (statement: string): boolean => statement.includes('INTO broker_receipts');

const refusalsOfTaken = ({ client_order_id: id }: Receipt, alpaca: AlpacaTwin): readonly Breach[] =>
  alpaca.orders().some(({ clientOrderId, status }) => clientOrderId === id && status !== 'rejected')
    ? [{ invariant: 'effect_known', detail: `${id} is at the broker and was settled as rejected` }]
    : [];

/** Whether an order makes a short smaller, whatever it was meant for when it was decided. */
const covers = ({ symbol, action }: Receipt, alpaca: AlpacaTwin): boolean =>
  action === 'buy' && decimal(alpaca.holdings().positions[symbol] ?? '0').lt(zero);

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
  /** What stood in the way of new writes when a token was drawn. */
  readonly #stoodAtClaim = new Map<number, ReadonlySet<Obstacle>>();
  readonly #standing = new Set<Obstacle>();

  constructor(app: Pool) {
    this.#app = app;
  }

  /** Somebody has put something in the way, or has taken it away. */
  obstructed(obstacle: Obstacle, stands: boolean): void {
    if (stands) this.#standing.add(obstacle);
    else this.#standing.delete(obstacle);
  }

  lookedUp(lookup: AnsweredLookup): void {
    this.#looks.push(lookup);
  }

  /** What the actor that has just committed was not entitled to. */
  async look({ account, scheduler, twins }: World, actor: Actor): Promise<readonly Breach[]> {
    const { rows } = await this.#app.query<Receipt>(
      `SELECT r.id, r.client_order_id, r.adapter, r.symbol, d.action, d.intent, r.io_at, r.state, r.outcome, r.outcome_codes, r.fencing_token
         FROM broker_receipts r LEFT JOIN trade_decisions d ON d.id = r.trade_decision_id
        WHERE r.account_label = $1 AND r.operation = 'submit' ORDER BY r.claimed_at, r.id`,
      [account],
    );
    return rows.flatMap((receipt) => {
      const before = this.#known.get(receipt.id);
      this.#known.set(receipt.id, receipt);
      const hasBegun = receipt.io_at !== null && receipt.io_at !== before?.io_at;
      if (hasBegun) this.#begun.set(receipt.id, scheduler.now());
      const isClaimed = before?.fencing_token !== receipt.fencing_token;
      if (isClaimed) this.#stoodAtClaim.set(receipt.fencing_token, new Set(this.#standing));
      const obstructed = hasBegun ? this.#obstructed(receipt, twins.alpaca) : [];
      if (isClaimed) {
        this.#holders.set(receipt.fencing_token, actor);
        if (!absences.has(receipt.outcome ?? '')) return obstructed;
      }
      if (before?.state === receipt.state && before.outcome === receipt.outcome) return obstructed;
      const taken = receipt.outcome === 'rejected' ? refusalsOfTaken(receipt, twins.alpaca) : [];
      return [...obstructed, ...taken, ...this.#fencing(receipt, actor), ...this.#absence(receipt)];
    });
  }

  /** A stop holds a write until the last moment; what is asked at the claim holds it from there. */
  #obstructed(receipt: Receipt, alpaca: AlpacaTwin): readonly Breach[] {
    const { client_order_id: id, adapter, intent, fencing_token: token } = receipt;
    const atClaim = this.#stoodAtClaim.get(token);
    const enters = intent === 'entry' && !covers(receipt, alpaca);
    const inTheWay = [
      ...(['kill_switch', 'emergency_stop'] as const).filter((stop) => this.#standing.has(stop)),
      ...(enters && atClaim?.has('reduce_only') === true ? ['reduce_only'] : []),
      ...(atClaim?.has(adapter) === true ? [`${adapter} disabled`] : []),
    ];
    return inTheWay.map((what) => ({
      invariant: 'no_order_while_stopped',
      detail: `${id}: a write at ${adapter} was begun under ${what}`,
    }));
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
    if (!absences.has(outcome ?? '') || wroteAt === undefined) return [];
    const looks = this.#looks.filter(
      ({ clientOrderId, absent, at }) => clientOrderId === id && absent && at >= wroteAt,
    );
    const last = looks.at(-1);
    if (looks.length >= looksForAbsence && last !== undefined && last.at - wroteAt >= absenceAfterMs) return [];
    return [{ invariant: 'absence_proved', detail: `${id}: believed absent after ${looks.length} looks` }];
  }
}
