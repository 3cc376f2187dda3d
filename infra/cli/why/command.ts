import type { WhyBody } from '../../../functions/operator-api/why.ts';
import { type CommandDefinition, refusalLine } from '../operator/command.ts';
import { parseAnswer, unexpectedStatus } from '../operator/exchange.ts';
import { foundWords, UsageError } from '../options.ts';
import { whyLines } from './render.ts';

/** `npx torghut why`: one order or decision from signal to profit, as the ledger has it. */

const idPattern = /^[\w.:-]{1,128}$/;

export const command: CommandDefinition<string> = {
  name: 'why',
  usage: `ID [options]
  ID                    a decision id or identity, a client order id, or the broker's order id`,
  options: [],
  plan: ({ positionals }) => {
    const [id, ...rest] = positionals;
    if (id === undefined || rest.length > 0 || !idPattern.test(id))
      throw new UsageError(`expected one id of a decision or an order, found ${foundWords(positionals)}`);
    return id;
  },
  run: async (id, { api, json, print, complain }) => {
    const request = { method: 'GET', path: `/trading/why/${encodeURIComponent(id)}` } as const;
    const answer = await api(request);
    if (answer.status === 404) {
      const line = refusalLine(answer);
      if (line !== null) {
        complain(line);
        return 1;
      }
    }
    if (answer.status !== 200) throw unexpectedStatus(request, [200], answer);
    const body = parseAnswer(request, answer);
    for (const line of json ? [JSON.stringify(body, null, 2)] : whyLines(body as WhyBody)) print(line);
    return 0;
  },
};
