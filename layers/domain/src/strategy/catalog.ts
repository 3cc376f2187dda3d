import * as z from 'zod';
import { hashJson, type Json } from '../canonical-json.ts';
import { decimal, isDecimalText, zero, type DecimalText } from '../decimal.ts';
import { tickerSchema, type Hash, type Ticker } from '../identifiers.ts';
import type { BindFailure, StrategyRegistry } from './registry.ts';

const positiveDecimal = z
  .string({ error: 'expected a decimal number in quotes, such as "250"' })
  .refine((text) => isDecimalText(text) && decimal(text).gt(zero), 'expected a decimal number above 0, such as "250"');
const fraction = positiveDecimal.refine(
  (text) => isDecimalText(text) && decimal(text).lte(decimal('1')),
  'expected at most 1',
);

const entrySchema = z.strictObject({
  strategy_id: z.string().min(1).max(128),
  name: z.string().min(1).max(255),
  description: z.string().optional(),
  enabled: z.boolean(),
  strategy_type: z.string().min(1).max(64),
  version: z.string().min(1).max(32),
  base_timeframe: z.string().regex(/^[1-9]\d*(Sec|Min|Hour)$/, 'expected <n>Sec, <n>Min or <n>Hour'),
  params: z.object({ profile: z.string({ error: 'expected the name of a profile' }) }).catchall(z.json()),
  universe_filter: z.array(tickerSchema).optional(),
  priority: z.int().optional(),
  max_position_pct_equity: fraction.optional(),
  max_notional_per_trade: positiveDecimal.optional(),
});

/** One strategy of the catalog; every field is a column of `strategies`. */
export interface CatalogEntry {
  readonly strategyId: string;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly strategyType: string;
  readonly version: string;
  readonly baseTimeframe: string;
  /** Parameters, always with the name of their profile. */
  readonly params: { readonly profile: string; readonly [name: string]: Json };
  readonly paramsHash: Hash;
  /** Narrows the universe; null means all of it, an empty list means nothing. */
  readonly universeFilter: readonly Ticker[] | null;
  readonly priority: number;
  readonly maxPositionPctEquity: DecimalText | null;
  readonly maxNotionalPerTrade: DecimalText | null;
  /** Hash of the canonical entry, defaults filled in. */
  readonly configSha256: Hash;
}

export interface CatalogError {
  /** Id of the entry, or its position when it has none. */
  readonly entry: string;
  readonly reason: 'invalid_shape' | 'duplicate_id' | 'duplicate_name' | BindFailure;
  readonly message: string;
}
export type CatalogParsed =
  | { readonly ok: true; readonly entries: readonly CatalogEntry[] }
  | { readonly ok: false; readonly errors: readonly CatalogError[] };

type EntryDocument = z.infer<typeof entrySchema>;

const toEntry = (document: EntryDocument): CatalogEntry => {
  const entry = {
    strategyId: document.strategy_id,
    name: document.name,
    description: document.description ?? null,
    enabled: document.enabled,
    strategyType: document.strategy_type,
    version: document.version,
    baseTimeframe: document.base_timeframe,
    params: document.params,
    universeFilter: document.universe_filter ?? null,
    priority: document.priority ?? 100,
    maxPositionPctEquity: document.max_position_pct_equity ?? null,
    maxNotionalPerTrade: document.max_notional_per_trade ?? null,
  };
  return { ...entry, paramsHash: hashJson(entry.params) as Hash, configSha256: hashJson(entry) as Hash };
};

/**
 * Parses a catalog `{strategies: [...]}` as read from YAML or JSON. Unknown keys, duplicate ids or names, an unresolved
 * (type, version), another timeframe and bad parameters are errors that name the entry; one error refuses the catalog.
 */
export const parseCatalog = (document: unknown, registry: StrategyRegistry): CatalogParsed => {
  const root = z.strictObject({ strategies: z.array(z.unknown()) }).safeParse(document);
  if (!root.success) {
    const message = root.error.issues
      .map((issue) => `${issue.path.join('.') || 'catalog'}: ${issue.message}`)
      .join('; ');
    return { ok: false, errors: [{ entry: 'catalog', reason: 'invalid_shape', message }] };
  }
  const errors: CatalogError[] = [];
  const entries: CatalogEntry[] = [];
  const ids = new Set<string>();
  const names = new Set<string>();
  for (const [index, raw] of root.data.strategies.entries()) {
    const parsed = entrySchema.safeParse(raw);
    if (!parsed.success) {
      const id: unknown = typeof raw === 'object' && raw !== null ? Reflect.get(raw, 'strategy_id') : undefined;
      const message = parsed.error.issues
        .map((issue) => `${issue.path.join('.') || 'entry'}: ${issue.message}`)
        .join('; ');
      errors.push({ entry: typeof id === 'string' ? id : `#${index + 1}`, reason: 'invalid_shape', message });
      continue;
    }
    const entry = toEntry(parsed.data);
    const refuse = (reason: CatalogError['reason'], message: string): void => {
      errors.push({ entry: entry.strategyId, reason, message });
    };
    if (ids.has(entry.strategyId)) refuse('duplicate_id', `strategy_id "${entry.strategyId}" is used twice`);
    if (names.has(entry.name)) refuse('duplicate_name', `name "${entry.name}" is used twice`);
    ids.add(entry.strategyId);
    names.add(entry.name);
    const bound = registry.bind(entry.strategyType, entry.version, entry.params, entry.baseTimeframe);
    if (!bound.ok) refuse(bound.reason, bound.detail);
    entries.push(entry);
  }
  return errors.length === 0 ? { ok: true, entries } : { ok: false, errors };
};

/** Candidate spec: what a research run evaluates and a paper manifest activates. The profile stands apart from the other parameters. */
export interface StrategySpec {
  readonly strategy_id: string;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly strategy_type: string;
  readonly strategy_version: string;
  readonly base_timeframe: string;
  readonly params: Readonly<Record<string, Json>>;
  readonly profile: string;
  readonly universe_filter: readonly Ticker[] | null;
  readonly priority: number;
  readonly max_position_pct_equity: DecimalText | null;
  readonly max_notional_per_trade: DecimalText | null;
}

export const toSpec = (entry: CatalogEntry): StrategySpec => {
  const { profile, ...params } = entry.params;
  return {
    strategy_id: entry.strategyId,
    name: entry.name,
    description: entry.description,
    enabled: entry.enabled,
    strategy_type: entry.strategyType,
    strategy_version: entry.version,
    base_timeframe: entry.baseTimeframe,
    params,
    profile,
    universe_filter: entry.universeFilter,
    priority: entry.priority,
    max_position_pct_equity: entry.maxPositionPctEquity,
    max_notional_per_trade: entry.maxNotionalPerTrade,
  };
};

/** The catalog document that parses back to the entries the specs were made of. */
export const toCatalog = (specs: readonly StrategySpec[]): { readonly strategies: readonly EntryDocument[] } => ({
  strategies: specs.map((spec) => ({
    strategy_id: spec.strategy_id,
    name: spec.name,
    ...(spec.description === null ? {} : { description: spec.description }),
    enabled: spec.enabled,
    strategy_type: spec.strategy_type,
    version: spec.strategy_version,
    base_timeframe: spec.base_timeframe,
    params: { ...spec.params, profile: spec.profile },
    ...(spec.universe_filter === null ? {} : { universe_filter: [...spec.universe_filter] }),
    priority: spec.priority,
    ...(spec.max_position_pct_equity === null ? {} : { max_position_pct_equity: spec.max_position_pct_equity }),
    ...(spec.max_notional_per_trade === null ? {} : { max_notional_per_trade: spec.max_notional_per_trade }),
  })),
});
