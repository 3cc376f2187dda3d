import type { Instant } from '@torghut/domain';
import type { Disturbance } from '../../infra/local/twins/index.ts';
import { draw } from '../../infra/local/twins/random.ts';

/** Where a fault can happen. */
export type Site =
  | 'transaction'
  | 'query'
  | 'submit'
  | 'cancel'
  | 'lookup'
  | 'read'
  | 'universe'
  | 'signals'
  | 'publish'
  | 'delivery'
  | 'tick';

const everywhere = ['transaction', 'query', 'submit', 'cancel', 'lookup', 'read', 'universe', 'signals'] as const;
const statements = ['transaction', 'query'] as const;
const writes = ['submit', 'cancel'] as const;
const exchanges = ['submit', 'cancel', 'lookup', 'read', 'universe'] as const;

/** Every fault that is injected while functions run, with where it can happen and how much more often than others. */
const faultTable = {
  // Compute
  killed_before: { sites: everywhere, weight: 2 },
  killed_after: { sites: everywhere, weight: 2 },
  killed_in_transaction: { sites: ['transaction'], weight: 2 },
  frozen_beyond_lease: { sites: everywhere, weight: 4 },
  // PostgreSQL
  database_unreachable: { sites: statements, weight: 1 },
  connection_lost_before: { sites: statements, weight: 1 },
  connection_lost_after: { sites: statements, weight: 2 },
  serialization_failure: { sites: ['transaction'], weight: 2 },
  deadlock: { sites: ['transaction'], weight: 1 },
  statement_timeout: { sites: statements, weight: 1 },
  lock_timeout: { sites: ['transaction'], weight: 1 },
  read_only: { sites: ['transaction'], weight: 1 },
  // Venues
  connection_refused: { sites: exchanges, weight: 2 },
  accepted_then_timeout: { sites: writes, weight: 3 },
  timeout: { sites: exchanges, weight: 2 },
  late: { sites: ['submit'], weight: 3 },
  late_collision: { sites: ['submit'], weight: 4 },
  accepted_then_5xx: { sites: writes, weight: 3 },
  refused_5xx: { sites: exchanges, weight: 2 },
  upstream_502: { sites: ['submit'], weight: 1 },
  reset_before: { sites: exchanges, weight: 1 },
  reset_after: { sites: writes, weight: 2 },
  cut_body: { sites: exchanges, weight: 2 },
  not_json: { sites: exchanges, weight: 1 },
  missing_fields: { sites: ['submit', 'lookup'], weight: 1 },
  wrong_symbol: { sites: ['submit'], weight: 1 },
  wrong_client_order_id: { sites: ['submit', 'lookup'], weight: 1 },
  unknown_status: { sites: ['submit', 'read'], weight: 1 },
  unknown_fields: { sites: ['submit', 'lookup', 'read'], weight: 1 },
  processed_twice: { sites: ['submit'], weight: 12 },
  rate_limited: { sites: ['submit', 'lookup', 'read'], weight: 2 },
  unauthorized: { sites: ['submit', 'lookup', 'read'], weight: 1 },
  briefly_absent: { sites: ['lookup'], weight: 2 },
  // Universe and signal store
  universe_empty: { sites: ['universe'], weight: 2 },
  universe_garbage: { sites: ['universe'], weight: 1 },
  universe_shrunk: { sites: ['universe'], weight: 2 },
  signals_unreachable: { sites: ['signals'], weight: 2 },
  signals_slow: { sites: ['signals'], weight: 1 },
  signals_out_of_memory: { sites: ['signals'], weight: 1 },
  signals_none: { sites: ['signals'], weight: 1 },
  // Queues and schedules
  publish_refused: { sites: ['publish'], weight: 1 },
  published_unrecorded: { sites: ['publish'], weight: 1 },
  delivered_twice: { sites: ['delivery'], weight: 2 },
  deletion_lost: { sites: ['delivery'], weight: 2 },
  delivered_late: { sites: ['delivery'], weight: 1 },
  tick_missed: { sites: ['tick'], weight: 1 },
  tick_twice: { sites: ['tick'], weight: 2 },
  tick_late: { sites: ['tick'], weight: 2 },
} as const satisfies Readonly<Record<string, { readonly sites: readonly Site[]; readonly weight: number }>>;
export type FaultKind = keyof typeof faultTable;

/** Faults that are part of a scenario rather than drawn where a function waits. */
export type ScenarioFault =
  | 'clock_skew'
  | 'poison_message'
  | 'kill_switch'
  | 'stopped_after_claim'
  | 'emergency_stop'
  | 'reduce_only'
  | 'adapter_disabled'
  | 'two_schedulers'
  | 'lean_forgets'
  | 'account_suspended'
  | Disturbance['kind']
  | 'stream_stale'
  | 'stream_duplicated'
  | 'stream_late';
export type AnyFault = FaultKind | ScenarioFault;

interface Choice {
  readonly kind: FaultKind;
  readonly upTo: number;
}
export const faultKinds = Object.keys(faultTable) as readonly FaultKind[];

const choicesOf = (site: Site, kinds: ReadonlySet<FaultKind>): readonly Choice[] => {
  let total = 0;
  return (Object.entries(faultTable) as [FaultKind, { sites: readonly Site[]; weight: number }][])
    .filter(([kind, { sites }]) => kinds.has(kind) && sites.includes(site))
    .map(([kind, { weight }]) => ({ kind, upTo: (total += weight) }));
};
export interface InjectedFault {
  readonly key: string;
  readonly kind: AnyFault;
}

export interface FaultPlan {
  readonly seed: number;
  /** Share of gates at which something goes wrong, by site. */
  readonly intensity: Readonly<Record<Site, number>>;
  /** Kinds that happen in this run at all. */
  readonly kinds: ReadonlySet<FaultKind>;
  readonly until: Instant;
  /** Names of the gates at which something may go wrong; all of them when `null`. */
  readonly only: ReadonlySet<string> | null;
}

/** What goes wrong, drawn for the name of each gate: leaving one fault out does not move the others. */
export class Faults {
  readonly injected: InjectedFault[] = [];
  /** Gates at which a fault was drawn that could change nothing: not counted, and part of the course all the same. */
  readonly withdrawn: string[] = [];
  readonly #plan: FaultPlan;
  readonly #choices = new Map<Site, readonly Choice[]>();

  constructor(plan: FaultPlan) {
    this.#plan = plan;
  }

  /** The fault of this gate, recorded; `null` when all goes well. */
  at(key: string, site: Site, now: Instant, allowed: (kind: FaultKind) => boolean = () => true): FaultKind | null {
    const { seed, intensity, kinds, until, only } = this.#plan;
    if (now >= until || (only !== null && !only.has(key))) return null;
    if (draw(seed, 'fault', key) >= intensity[site]) return null;
    const candidates = this.#choices.get(site) ?? choicesOf(site, kinds);
    this.#choices.set(site, candidates);
    const at = draw(seed, 'kind', key) * (candidates.at(-1)?.upTo ?? 0);
    const kind = candidates.find(({ upTo }) => at < upTo)?.kind;
    if (kind === undefined || !allowed(kind)) return null;
    this.injected.push({ key, kind });
    return kind;
  }

  /** A fault that was drawn met with nothing it could change. */
  withdraw(key: string): void {
    const index = this.injected.findLastIndex((fault) => fault.key === key);
    if (index < 0) return;
    this.injected.splice(index, 1);
    this.withdrawn.push(key);
  }

  record(key: string, kind: ScenarioFault): void {
    this.injected.push({ key, kind });
  }
}
