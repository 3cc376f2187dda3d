import { minute } from '@torghut/domain';
import type { Clock } from '@torghut/domain';
import type { AlpacaCredentials } from '@torghut/platform';
import type { TwinAnswer } from '../faults.ts';
import type { TwinRequest } from '../http-twin.ts';
import { uuidOf } from '../random.ts';
import { answerOf, rateLimited, unauthorized } from './refusals.ts';

/** Keys and the request budget, before anything else; every answer states its id and what is left of the budget. */
export const frontDoor = (
  clock: Clock,
  seed: number,
  requestsPerMinute: number,
  /** The keys of the moment; `null` lets in whoever brings any. */
  keys: () => AlpacaCredentials | null,
) => {
  let window = -1;
  let used = 0;
  let answered = 0;
  return async (request: TwinRequest, inner: () => TwinAnswer | Promise<TwinAnswer>): Promise<TwinAnswer> => {
    const current = Math.floor(clock.now() / minute);
    if (current !== window) [window, used] = [current, 0];
    used += 1;
    answered += 1;
    const answer = !mayEnter(request.headers, keys())
      ? answerOf(unauthorized)
      : used > requestsPerMinute
        ? answerOf(rateLimited)
        : await inner();
    return {
      ...answer,
      headers: {
        'x-request-id': uuidOf(seed, 'request', answered, clock.now()),
        'x-ratelimit-limit': String(requestsPerMinute),
        'x-ratelimit-remaining': String(Math.max(0, requestsPerMinute - used)),
        'x-ratelimit-reset': String(((window + 1) * minute) / 1_000),
        ...answer.headers,
      },
    };
  };
};

const mayEnter = (headers: TwinRequest['headers'], keys: AlpacaCredentials | null): boolean => {
  const [keyId = '', secretKey = ''] = ['apca-api-key-id', 'apca-api-secret-key'].map((name) => headers[name]);
  return keys === null ? keyId !== '' && secretKey !== '' : keyId === keys.keyId && secretKey === keys.secretKey;
};
