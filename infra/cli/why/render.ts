import type { CheckGroup, WhyBody } from '../../../functions/operator-api/why.ts';

/** Text of a value; what is not known says so. */
const said = (value: unknown): string => {
  if (value === null || value === undefined) return 'unknown';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(said).join(' or ');
  if (typeof value === 'object') {
    const members = Object.entries(value).map(([name, member]) => `${name} ${said(member)}`);
    return members.length === 0 ? 'none' : members.join(', ');
  }
  return JSON.stringify(value);
};

/** Units that are told by the figures themselves. */
const unspoken: ReadonlySet<string> = new Set(['word', 'time', 'orders and USD']);

/** One line per check that concerned the order; those that did not are named together. */
const checkLines = (groups: readonly CheckGroup[]): readonly string[] => {
  const lines = groups.flatMap(({ group, checks }) => checks.map((check) => ({ group, ...check })));
  if (lines.every(({ result }) => result === 'unknown')) return ['unknown: no row has a record of them'];
  const width = (of: (line: (typeof lines)[number]) => string): number =>
    Math.max(...lines.map((line) => of(line).length));
  const [groupWidth, codeWidth] = [width(({ group }) => group), width(({ code }) => code)];
  const skipped = lines.filter(({ result }) => result === 'not_applicable').map(({ code }) => code);
  return [
    ...lines
      .filter(({ result }) => result !== 'not_applicable')
      .map(({ group, code, result, observed, limit, unit }) => {
        const named = unspoken.has(unit) ? '' : ` ${unit}`;
        const line = `${group.padEnd(groupWidth)}  ${code.padEnd(codeWidth)}  ${result.padEnd(7)}`;
        if (result === 'unknown' && observed === null && limit === null)
          return `${line}  nothing to judge it by was known`;
        const allowed = unit === 'word' ? 'has to be' : 'limit';
        return `${line}  observed ${said(observed)}, ${allowed} ${said(limit)}${named}`;
      }),
    ...(skipped.length === 0 ? [] : [`not applicable to this order: ${skipped.join(', ')}`]),
  ];
};

type Section = readonly [title: string, lines: readonly string[]];

const signalSection = ({ signal, features }: WhyBody): readonly Section[] => [
  [
    'signal',
    signal === null
      ? ['unknown']
      : [
          `${signal.timeframe} bar of ${signal.event_ts}, seq ${said(signal.seq)}, source ${said(signal.source)}, emitted ${said(signal.ingest_ts)}`,
          `lag ${signal.lag_ms} ms; cycle of ${signal.window.scheduled_for}: ${signal.window.rows_read} rows, ${signal.window.signals_evaluated} signals, ${signal.window.decisions_count} decisions`,
        ],
  ],
  [
    'features',
    features === null
      ? ['unknown']
      : [
          `contract ${features.contract.version} (${features.contract.hash}), hash ${said(features.feature_hash)}`,
          features.values === null
            ? 'values unknown'
            : Object.entries(features.values)
                .map(([name, value]) => `${name} ${said(value)}`)
                .join(', '),
        ],
  ],
];

const decisionSection = ({ decision, checks }: WhyBody): readonly Section[] => [
  [
    'decision',
    decision === null
      ? ['unknown']
      : [
          `${decision.action} ${decision.qty} ${decision.symbol} ${decision.order_type} at ${said(decision.limit_price)} (${decision.intent}, ${decision.time_in_force}), confidence ${decision.confidence}`,
          `${decision.strategy_id} ${decision.strategy_version}, stage ${decision.capital_stage}, because ${decision.rationale_codes.join(', ')}`,
          `reference price ${said(decision.reference_price)} of ${said(decision.reference_price_at)}; sizing ${said(decision.sizing)}`,
          `status ${decision.status}${decision.reasons.length === 0 ? '' : `: ${decision.reasons.join(', ')}`}`,
          `id ${decision.id}, identity ${decision.identity}`,
        ],
  ],
  ['checks at the decision', checkLines(checks.at_decision)],
  ...checks.at_claim.map(({ adapter, at, groups }): Section => [
    `checks at the claim for ${adapter}, ${at}`,
    checkLines(groups),
  ]),
  ...(checks.other_reasons.length === 0
    ? []
    : [['other reasons', checks.other_reasons.map(({ code, detail }) => `${code} (${said(detail)})`)] as const]),
];

const routeSection = ({ route, calls }: WhyBody): readonly Section[] => [
  [
    'route',
    [
      `policy ${said(route.policy)}, expected ${said(route.expected)}`,
      ...(Array.isArray(route.failed) && route.failed.length > 0 ? [`passed by: ${said(route.failed)}`] : []),
      ...route.orders.map(
        (order) =>
          `order ${order.broker_order_id}: expected ${order.expected}, actual ${order.actual}, ${order.fallback_count} fallbacks${order.fallback_reason === null ? '' : ` (${order.fallback_reason})`}, from ${order.provenance_source}`,
      ),
    ],
  ],
  [
    'broker calls',
    calls.length === 0
      ? ['none']
      : calls.flatMap((call) => [
          `${call.operation} at ${call.adapter}, attempt ${call.attempt}, fencing token ${call.fencing_token}: ${call.outcome ?? call.state}${call.outcome_codes.length === 0 ? '' : ` (${call.outcome_codes.join(', ')})`}`,
          `  claimed ${call.claimed_at}, sent ${said(call.io_at)}, settled ${said(call.settled_at)}${call.resolved_at === null ? '' : `, resolved ${call.resolved_at}`}; HTTP ${said(call.http_status)}, request id ${said(call.x_request_id)}`,
          ...(call.adapter_states.length === 0
            ? ['  no state of the adapter on record then: enabled, breaker closed']
            : call.adapter_states.map(
                (state) =>
                  `  then ${state.symbol === null ? state.adapter : `${state.symbol} on ${state.adapter}`}: ${state.state}, breaker ${state.breaker}${state.health_reason === null ? '' : ` (${state.health_reason})`}`,
              )),
        ]),
  ],
];

const outcomeSection = ({ orders, events, fills, cost, profit, breaks }: WhyBody): readonly Section[] => [
  [
    'order',
    orders.length === 0
      ? ['none']
      : orders.map(
          (order) =>
            `${order.alpaca_order_id}: ${order.state} (broker says ${said(order.broker_status)}), ${order.filled_qty} of ${order.submitted_qty} at ${said(order.avg_fill_price)}`,
        ),
  ],
  [
    'order events',
    events.length === 0
      ? ['none']
      : events.map(
          (event) =>
            `${event.event_ts} ${event.event_type}: ${said(event.qty)} at ${said(event.price)}, execution ${said(event.broker_execution_id)}${event.corrects_execution_id === null ? '' : `, takes back ${event.corrects_execution_id}`}, from ${event.source}`,
        ),
  ],
  [
    'fills that count',
    fills.length === 0
      ? ['none']
      : fills.map(
          (fill) =>
            `${fill.executed_at} ${fill.side} ${fill.qty} at ${fill.price}, execution ${fill.broker_execution_id}`,
        ),
  ],
  [
    'cost',
    cost.length === 0
      ? ['unknown']
      : cost.map(
          (tca) =>
            `arrival ${tca.arrival_price}, filled ${tca.avg_fill_price}: slippage ${tca.slippage_bps} bps (modelled ${said(tca.expected_slippage_bps)}), shortfall ${tca.shortfall_notional} USD; acknowledged after ${said(tca.decision_to_ack_ms)} ms, filled after ${said(tca.decision_to_fill_ms)} ms`,
        ),
  ],
  [
    'realised profit so far',
    [
      profit.realised_gross === null
        ? `unknown: ${said(profit.reason)}`
        : `${profit.realised_gross} USD before fees: ${profit.closed_by_this_order} by closing, ${profit.closed_since_of_this_order} from what it opened; ${profit.still_open_qty} still open (${profit.method})`,
    ],
  ],
  ...(breaks.length === 0
    ? []
    : [
        [
          'breaks',
          breaks.map((found) => `${found.created_at} ${found.break_type}, ${found.severity}, ${found.status}`),
        ] as const,
      ]),
];

const timelineSection = ({ timeline }: WhyBody): Section => {
  const delays = timeline.map(({ ms_since_previous: ms }) => (ms === null ? '' : `+${ms} ms`));
  const width = Math.max(0, ...delays.map(({ length }) => length));
  const steps = Math.max(0, ...timeline.map(({ step }) => step.length));
  return [
    'timeline',
    timeline.map(
      ({ at, step, what }, index) => `${at}  ${(delays[index] ?? '').padStart(width)}  ${step.padEnd(steps)}  ${what}`,
    ),
  ];
};

/** The answer as text: one paragraph per link of the chain, then the timeline and what no row says. */
export const whyLines = (body: WhyBody): readonly string[] => {
  const sections: readonly Section[] = [
    ...signalSection(body),
    ...decisionSection(body),
    ...routeSection(body),
    ...outcomeSection(body),
    timelineSection(body),
    ['not on record', body.missing.length === 0 ? ['nothing is missing'] : body.missing],
  ];
  return [
    `${body.asked} (${body.matched_by.replaceAll('_', ' ')}) of account ${body.account_label}, as of ${body.as_of}`,
    ...sections.flatMap(([title, lines]) => ['', title.toUpperCase(), ...lines]),
  ];
};
