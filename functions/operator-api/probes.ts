import type { Clock } from '@torghut/domain';
import { httpExchange } from '@torghut/platform';
import type { Probe } from './ports.ts';

const timeoutMs = 2_000;

/**
 * Whether an HTTP service answers at all. The probe carries no credentials, because this function holds none of the
 * broker or the signal store: a refusal for want of them is an answer; a server error is not.
 */
export const httpProbe = (url: string, clock: Clock) => async (): Promise<Probe> => {
  const exchange = await httpExchange({ method: 'GET', url, headers: {}, timeoutMs }, clock);
  if (exchange.kind !== 'answer') return { ok: false, detail: `${exchange.failure}: ${exchange.detail}` };
  return { ok: exchange.status < 500, detail: `answered ${exchange.status} in ${exchange.durationMs} ms` };
};
