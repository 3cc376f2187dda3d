import * as z from 'zod';
import type { BrokerError } from '../alpaca/broker-error.ts';
import { readBody } from '../http/json-answer.ts';

/**
 * What a runner's error says about the order.
 * - `rejected`: refused by the runner itself, before the broker saw it.
 * - `broker`: the broker's refusal, passed on with its payload.
 * - `ambiguous`: the order may exist; only a lookup at the broker can tell.
 */
const taxonomies = {
  contract_invalid_order_type: 'rejected',
  contract_missing_required_field: 'rejected',
  contract_unknown_field: 'rejected',
  upstream_auth: 'rejected',
  upstream_rejected: 'broker',
  network_timeout: 'ambiguous',
  upstream_error: 'ambiguous',
  upstream_unavailable: 'ambiguous',
} as const;
export type LeanTaxonomy = keyof typeof taxonomies;

export type RunnerError =
  | { readonly kind: 'rejected'; readonly taxonomy: LeanTaxonomy; readonly detail: string }
  | { readonly kind: 'broker'; readonly broker: BrokerError }
  | { readonly kind: 'order_not_found' }
  | { readonly kind: 'ambiguous' };

const errorSchema = z.looseObject({
  detail: z.unknown().optional(),
  taxonomy: z.string().optional(),
  broker: z
    .looseObject({ http_status: z.number().int(), code: z.number().int().nullish(), message: z.string().nullish() })
    .nullish(),
});

const isTaxonomy = (text: string): text is LeanTaxonomy => Object.hasOwn(taxonomies, text);

/** Reads an answer with an error status. A body that is not of the contract is ambiguous. */
export const readRunnerError = (status: number, text: string): RunnerError => {
  const body = readBody(text);
  const parsed = errorSchema.safeParse(body.json ? body.value : null);
  if (!parsed.success) return { kind: 'ambiguous' };
  const { detail, taxonomy, broker } = parsed.data;
  if (status === 404 && detail === 'order_not_found') return { kind: 'order_not_found' };
  if (taxonomy === undefined || !isTaxonomy(taxonomy)) return { kind: 'ambiguous' };
  const meaning = taxonomies[taxonomy];
  if (meaning === 'rejected')
    return { kind: 'rejected', taxonomy, detail: typeof detail === 'string' ? detail : taxonomy };
  if (meaning === 'ambiguous' || broker === undefined || broker === null) return { kind: 'ambiguous' };
  return {
    kind: 'broker',
    broker: { status: broker.http_status, code: broker.code ?? null, message: broker.message ?? '' },
  };
};
