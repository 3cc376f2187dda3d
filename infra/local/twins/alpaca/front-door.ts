import { minute } from '@torghut/domain';
import type { Clock } from '@torghut/domain';
import type { AlpacaCredentials } from '@torghut/platform';
import type { TwinAnswer } from '../faults.ts';
import type { TwinRequest } from '../http-twin.ts';
import { uuidOf } from '../random.ts';
import type { Knobs } from './knobs.ts';
import type { ProbeFacts } from './probe-facts.ts';
import { answerOf, rateLimited, unauthorized } from './refusals.ts';

export interface FrontDoorSettings {
  readonly clock: Clock;
  readonly seed: number;
  readonly requestsPerMinute: number;
  readonly facts: Pick<ProbeFacts, 'rateHeadersOnOrders'>;
  readonly knobs: Knobs;
  /** The keys of the moment; `null` lets in whoever brings any. */
  readonly keys: () => AlpacaCredentials | null;
}

/** Keys and the request budget, before anything else; every answer states its id and what is left of the budget. */
export const frontDoor = ({ clock, seed, requestsPerMinute, facts, knobs, keys }: FrontDoorSettings) => {
  let window = -1;
  let used = 0;
  let answered = 0;
  return async (request: TwinRequest, inner: () => TwinAnswer | Promise<TwinAnswer>): Promise<TwinAnswer> => {
    const now = clock.now();
    const current = Math.floor(now / minute);
    if (current !== window) [window, used] = [current, 0];
    used += 1;
    answered += 1;
    const remaining = now < knobs.budgetSpentUntil ? 0 : Math.max(0, requestsPerMinute - used);
    const answer =
      !mayEnter(request.headers, keys()) || isRefused(knobs)
        ? answerOf(unauthorized)
        : used > requestsPerMinute || now < knobs.budgetSpentUntil
          ? answerOf(rateLimited)
          : await inner();
    const statesBudget = facts.rateHeadersOnOrders || !request.path.startsWith('/v2/orders');
    return {
      ...answer,
      headers: {
        'x-request-id': uuidOf(seed, 'request', answered, now),
        ...(statesBudget
          ? {
              'x-ratelimit-limit': String(requestsPerMinute),
              'x-ratelimit-remaining': String(remaining),
              'x-ratelimit-reset': String(((window + 1) * minute) / 1_000),
            }
          : {}),
        ...answer.headers,
      },
    };
  };
};

/** Uses up one of the refusals that a burst still has. */
const isRefused = (knobs: Knobs): boolean => {
  if (knobs.keysRefused <= 0) return false;
  knobs.keysRefused -= 1;
  return true;
};

const mayEnter = (headers: TwinRequest['headers'], keys: AlpacaCredentials | null): boolean => {
  const [keyId = '', secretKey = ''] = ['apca-api-key-id', 'apca-api-secret-key'].map((name) => headers[name]);
  return keys === null ? keyId !== '' && secretKey !== '' : keyId === keys.keyId && secretKey === keys.secretKey;
};
