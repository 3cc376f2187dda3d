import * as z from 'zod';
import { type Check, failed, ok } from '../check.ts';

const readinessSchema = z.object({
  ok: z.boolean(),
  checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string(), checked_at: z.string() })),
});

/** Every dependency answers the deployed functions. */
export const readiness: Check = async ({ api }) => {
  const { ok: ready, checks } = await api.json('/readyz', readinessSchema, { statuses: [200, 503] });
  const all = Object.entries(checks);
  const passing = all.filter(([, check]) => check.ok).length;
  const found = {
    value: `${passing} of ${all.length} dependencies`,
    limit: 'all of them',
    details: all.map(([name, check]) => `${name}: ${check.detail} (asked ${check.checked_at})`),
  };
  if (ready && all.length > 0 && passing === all.length) return ok(found);
  const failing = all.filter(([, check]) => !check.ok).map(([name, check]) => `${name}: ${check.detail}`);
  return failed(
    failing.length === 0 ? 'the API says it is not ready and names no dependency' : failing.join('; '),
    found,
  );
};
