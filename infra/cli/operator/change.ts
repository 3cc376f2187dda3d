import { randomUUID } from 'node:crypto';
import type * as z from 'zod';
import { UsageError } from '../options.ts';
import { Unanswered } from '../verify-deployment/check.ts';
import { type Asked, readAs, refusalLine, type Words } from './command.ts';
import { parseAnswer, unexpectedStatus } from './exchange.ts';

/** What every change needs, from its words. */
export interface ChangeWords {
  readonly reason: string;
  readonly requestId: string;
}

export const changeOptions = ['reason', 'request-id'] as const;
export const changeUsage = `  --reason TEXT         why, for the next person who reads it; the actor is the identity that signs
  --request-id ID       of an earlier try whose answer did not come: the same change is made once`;

/** @throws UsageError without a usable reason or with a malformed id */
export const readChange = ({ value }: Words): ChangeWords => {
  const reason = value('reason')?.trim() ?? '';
  if (reason.length < 3 || reason.length > 1_000)
    throw new UsageError(
      `--reason: expected why, in 3 to 1000 characters, found ${reason === '' ? 'nothing' : `"${reason}"`}`,
    );
  const requestId = value('request-id') ?? randomUUID();
  if (!/^[\w.:-]{8,128}$/.test(requestId))
    throw new UsageError(`--request-id: expected 8 to 128 letters, digits and . : _ -, found "${requestId}"`);
  return { reason, requestId };
};

/**
 * Posts one change and prints its answer by `render`.
 * @returns 0 when it was made, 1 when it was refused, with one line why.
 * @throws Unanswered when it is not known whether it was made, or no answer says so, with the way to find out
 */
export const postChange = async <Made>(
  { api, json, print, complain }: Asked,
  path: string,
  body: object,
  { reason, requestId }: ChangeWords,
  schema: z.ZodType<Made>,
  render: (made: Made) => readonly string[],
): Promise<number> => {
  const request = { method: 'POST', path, body: { ...body, reason, request_id: requestId } } as const;
  /** Once it was sent, only an answer of ours says whether it was made. */
  const orUnknown = (error: unknown): never => {
    if (!(error instanceof Unanswered)) throw error;
    throw new Unanswered(
      `${error.message}; whether the change was made is unknown: repeat the command with --request-id ${requestId}`,
      { cause: error },
    );
  };
  const answer = await api(request).catch(orUnknown);
  try {
    if (answer.status === 200) {
      const sent = parseAnswer(request, answer);
      const made = readAs(`POST ${path}`, schema, sent);
      for (const line of json ? [JSON.stringify(sent, null, 2)] : render(made)) print(line);
      return 0;
    }
    if (answer.status >= 500) throw unexpectedStatus(request, [200, 400, 409], answer);
  } catch (error) {
    return orUnknown(error);
  }
  const refusal = answer.status >= 400 ? refusalLine(answer) : null;
  if (refusal === null) throw unexpectedStatus(request, [200, 400, 409], answer);
  if (json) print(JSON.stringify(JSON.parse(answer.text), null, 2));
  complain(refusal);
  return 1;
};
