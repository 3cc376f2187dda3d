import type { Clock } from '@torghut/domain';
import { createMemoryTelemetry, type Pool } from '@torghut/platform';
import type { Context } from 'aws-lambda';
import { createHandler } from '../../functions/operator-api/handler.ts';
import { wire } from '../../functions/operator-api/wire.ts';
import { startGateway } from '../../infra/local/http-gateway.ts';

export type Json = Record<string, unknown>;

export interface ApiAnswer {
  readonly status: number;
  readonly body: Json;
}

/** The operator API over a database, behind the gateway of the one-machine deployment. */
export const startOperatorApi = async (pool: Pool, clock: Clock, settings: Readonly<Record<string, string>> = {}) => {
  const telemetry = createMemoryTelemetry();
  const environment = {
    TORGHUT_CODE_HASH: 'c'.repeat(64),
    TRADING_ENABLED: 'true',
    TRADING_AUTONOMY_ENABLED: 'true',
    ...settings,
  };
  const handler = createHandler(await wire(environment, { clock, telemetry, pool }));
  const gateway = await startGateway({
    port: 0,
    host: '127.0.0.1',
    handler: (event) => handler(event, { awsRequestId: event.requestContext.requestId } as Context),
  });
  const answer = async (response: Response): Promise<ApiAnswer> => ({
    status: response.status,
    body: (await response.json()) as Json,
  });
  return {
    url: gateway.url,
    telemetry,
    handler,
    ask: async (path: string): Promise<ApiAnswer> => answer(await fetch(`${gateway.url}${path}`)),
    post: async (path: string, body: unknown): Promise<ApiAnswer> =>
      answer(
        await fetch(`${gateway.url}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
    stop: () => gateway.stop(),
  };
};
export type OperatorApi = Awaited<ReturnType<typeof startOperatorApi>>;
