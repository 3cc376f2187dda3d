import { evaluateFreshness, hour, toText } from '@torghut/domain';
import {
  expositionContentType,
  get,
  type HttpAnswer,
  openGet,
  post,
  renderExposition,
  type Route,
} from '@torghut/platform';
import { burnInBody } from './burn-in.ts';
import { adaptersBody, controlsBody, setAdapter, setControl } from './commands.ts';
import { type EvidenceContinuity, evidenceContinuity } from './evidence-continuity.ts';
import { metricSamples, metricsBody } from './measurements.ts';
import { parityBody } from './parity.ts';
import type { OperatorApiPorts } from './ports.ts';
import {
  adapterChange,
  adapterQuery,
  adapterSymbolQuery,
  burnInQuery,
  controlChange,
  controlQuery,
  decisionQuery,
  evidenceQuery,
  executionQuery,
  historyQuery,
  parityQuery,
  sinceQuery,
  whyQuery,
} from './queries.ts';
import { readiness } from './readiness.ts';
import { remembered } from './remembered.ts';
import { autonomyBody, statusBody } from './status.ts';
import { whyBody } from './why.ts';

/** How far back an answer goes that is asked without `since`. */
const defaultSpanMs = 24 * hour;
const evidenceCacheMs = 60_000;

const json = (body: unknown, status = 200): HttpAnswer => ({ status, body });

/** The routes of the operator API over its ports. */
export const run = (ports: OperatorApiPorts): readonly Route[] => {
  const { clock, reads, configuration } = ports;
  const ready = readiness(ports);

  const checkEvidence = async (limit: number): Promise<EvidenceContinuity> => {
    const now = clock.now();
    return evidenceContinuity(await reads.evidence(now, limit), now);
  };
  const currentEvidence = remembered(clock, evidenceCacheMs, () => checkEvidence(configuration.evidenceRunLimit));

  const samples = async (now: number) => metricSamples(await reads.measurements(now), configuration, now);

  return [
    openGet('/healthz', () => Promise.resolve(json({ status: 'ok', service: 'operator-api' }))),

    get('/readyz', async () => {
      const { checks } = await ready();
      const ok = Object.values(checks).every((check) => check.ok);
      return json({ ok, checks }, ok ? 200 : 503);
    }),

    get('/db-check', async () => {
      const { boot } = await ready();
      return json({
        ok: boot.ok,
        schema_version: boot.schemaVersion,
        expected_version: boot.expectedVersion,
        schema_compatible: boot.schemaCompatible,
        missing_privileges: boot.missingPrivileges,
        problems: boot.problems,
        checked_at: toText(boot.checkedAt),
      });
    }),

    get('/trading/status', async () => {
      const now = clock.now();
      return json({ account_label: reads.account, ...statusBody(await reads.status(now), configuration, now) });
    }),

    get(
      '/trading/autonomy',
      async ({ query }) => {
        const now = clock.now();
        const since = query.since ?? now - defaultSpanMs;
        const status = await reads.status(now);
        const research = { since: toText(since), ...(await reads.researchWrites(since, now)) };
        return json({ ...autonomyBody(status, await currentEvidence(), configuration, now), research });
      },
      sinceQuery,
    ),

    get(
      '/trading/autonomy/evidence-continuity',
      async ({ query }) =>
        json(await (query.run_limit === null ? currentEvidence(query.refresh) : checkEvidence(query.run_limit))),
      evidenceQuery,
    ),

    get('/trading/metrics', async () => {
      const now = clock.now();
      return json(metricsBody(await samples(now), reads.account, now));
    }),

    get('/metrics', async () => ({
      status: 200,
      text: renderExposition(await samples(clock.now())),
      contentType: expositionContentType,
    })),

    get(
      '/trading/decisions',
      async ({ query }) => {
        const decisions = await reads.decisions(query);
        return json({ as_of: toText(clock.now()), account_label: reads.account, count: decisions.length, decisions });
      },
      decisionQuery,
    ),

    get(
      '/trading/executions',
      async ({ query }) => {
        const executions = await reads.executions(query);
        return json({ as_of: toText(clock.now()), account_label: reads.account, count: executions.length, executions });
      },
      executionQuery,
    ),

    get(
      '/trading/executions/provenance',
      async ({ query }) => {
        const now = clock.now();
        const since = query.since ?? now - defaultSpanMs;
        return json({ as_of: toText(now), since: toText(since), ...(await reads.provenance(since)) });
      },
      sinceQuery,
    ),

    get(
      '/trading/why/{id}',
      async ({ query: { id } }) => {
        const rows = await reads.why(id);
        return rows === null
          ? json({ error: 'not_found', expected: 'the id of a decision or an order of the account', found: id }, 404)
          : json(whyBody(rows, id, reads.account, clock.now()));
      },
      whyQuery,
    ),

    get(
      '/trading/burn-in',
      async ({ query: { hours } }) => {
        const until = clock.now();
        const since = until - hours * hour;
        return json(burnInBody(await reads.burnIn(since, until), reads.account, configuration, since, until));
      },
      burnInQuery,
    ),

    get(
      '/trading/parity',
      async ({ query }) => {
        const now = clock.now();
        const { symbols } = configuration.parity;
        return json(parityBody(await reads.parity({ symbols, ...query }, now), reads.account, configuration, now));
      },
      parityQuery,
    ),

    get('/trading/controls', async () =>
      json(controlsBody(await reads.controls(), reads.account, configuration, clock)),
    ),

    post('/trading/controls/{control}', { query: controlQuery, body: controlChange }, ({ query, body, identity }) =>
      setControl(ports, query.control, body, identity),
    ),

    get(
      '/trading/adapters',
      async ({ query: { limit } }) => json(adaptersBody(await reads.adapters(limit), reads.account, clock)),
      historyQuery,
    ),

    post('/trading/adapters/{adapter}', { query: adapterQuery, body: adapterChange }, ({ query, body, identity }) =>
      setAdapter(ports, { adapter: query.adapter, symbol: null, state: body.state }, body, identity),
    ),

    post(
      '/trading/adapters/{adapter}/{symbol}',
      { query: adapterSymbolQuery, body: adapterChange },
      ({ query, body, identity }) =>
        setAdapter(ports, { adapter: query.adapter, symbol: query.symbol, state: body.state }, body, identity),
    ),

    get('/trading/health', async () => {
      const now = clock.now();
      const { checks } = await ready();
      const { postgres, clickhouse, broker, calendar } = checks;
      const dependencies = {
        postgres,
        clickhouse,
        broker,
        calendar,
        ...(postgres.ok ? await tradingChecks(ports, now) : {}),
      };
      const ok = Object.values(dependencies).every((check) => check.ok);
      return json({ status: ok ? 'ok' : 'degraded', dependencies }, ok ? 200 : 503);
    }),
  ];
};

/** Whether the loop itself is alive: its cycle in an open session, and its universe. */
const tradingChecks = async ({ reads, configuration }: OperatorApiPorts, now: number) => {
  const status = await reads.status(now);
  const { missingCycle, sessionOpen } = evaluateFreshness(status.freshness, configuration.freshness);
  const { universe } = status.operations;
  const at = toText(now);
  return {
    cycle: {
      ok: !missingCycle.page,
      detail: sessionOpen ? `last finished ${missingCycle.ageSeconds ?? 0} s ago` : 'market closed',
      checked_at: at,
    },
    universe: {
      // Before the first cycle of a session nothing needs a universe.
      ok: universe === null ? !sessionOpen : universe.status === 'ok',
      detail: universe === null ? 'not resolved yet' : `${universe.status}: ${universe.reason}`,
      checked_at: at,
    },
  };
};
