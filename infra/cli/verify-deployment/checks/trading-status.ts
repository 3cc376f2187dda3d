import * as z from 'zod';
import type { OperatorApi } from '../operator-api.ts';

const statusSchema = z.object({
  code_hash: z.string().nullable(),
  signal_continuity: z.object({ session_open: z.boolean() }),
});

/** @throws Unanswered when the API does not say */
export const tradingStatus = (api: OperatorApi) => api.json('/trading/status', statusSchema);
