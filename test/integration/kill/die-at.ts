/**
 * Preloaded into a run that is to be killed: ends the process with SIGKILL a moment after it has come to a named point of
 * an order's way. The points are those that the HTTP client announces, so nothing in the control plane knows of this.
 */
import { subscribe } from 'node:diagnostics_channel';
import { env, kill, pid } from 'node:process';
import * as z from 'zod';

const deathSchema = z.object({ channel: z.string(), afterMs: z.number() });
export type Death = z.output<typeof deathSchema>;
export const deathVariable = 'KILL_TEST_DEATH';

/** Where an order is written: the runner's and the broker's paths. */
const orderWrite = /^\/v[12]\/orders(?:\/|$)/;
const announced = z.object({ request: z.object({ method: z.string(), path: z.string() }) });

const text = env[deathVariable];
if (text !== undefined) {
  const { channel, afterMs } = deathSchema.parse(JSON.parse(text));
  const die = (): void => {
    kill(pid, 'SIGKILL');
  };
  subscribe(channel, (message) => {
    const { method, path } = announced.parse(message).request;
    if (method === 'GET' || !orderWrite.test(path)) return;
    if (afterMs === 0) die();
    else setTimeout(die, afterMs);
  });
}
