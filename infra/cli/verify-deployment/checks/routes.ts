import { toText } from '@torghut/domain';
import * as z from 'zod';
import { type Check, failed, ok, unknown } from '../check.ts';

const provenanceSchema = z.object({
  total: z.number(),
  missing: z.number(),
  unknown: z.number(),
  mismatch: z.number(),
  by_adapter: z.array(
    z.object({
      expected: z.string().nullable(),
      actual: z.string().nullable(),
      count: z.number(),
      fallbacks: z.number(),
    }),
  ),
});

/** Every execution since the deployment says where it was to go and where it went. */
export const routes: Check = async ({ api, since }) => {
  const routed = await api.json('/trading/executions/provenance', provenanceSchema, {
    query: { since: toText(since) },
  });
  const found = {
    value:
      routed.total === 0
        ? 'no execution'
        : `${((routed.missing / routed.total) * 100).toFixed(2)} % null or unknown of ${routed.total} executions`,
    limit: '0 %',
    details: routed.by_adapter.map(
      ({ expected, actual, count, fallbacks }) =>
        `expected ${expected ?? 'null'}, actual ${actual ?? 'null'}: ${count} executions, ${fallbacks} fallbacks`,
    ),
  };
  if (routed.total === 0)
    return unknown('no execution since the deployment; verify again after the first orders', found);
  if (routed.missing > 0) {
    return failed(
      `${routed.missing} executions without a known route, ${routed.unknown} of them marked unknown; stop trading and read /trading/executions`,
      found,
    );
  }
  return ok(found);
};
