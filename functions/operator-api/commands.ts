import {
  type AccountControls,
  type AdapterChange,
  type Clock,
  controlsInForce,
  describeControl,
  isStopping,
  type OperatorControl,
  type StoppingControl,
  stoppingControlNames,
  stoppingControls,
  type Ticker,
  toText,
} from '@torghut/domain';
import type {
  AdapterStateChanged,
  AdapterStatesRead,
  ControlsRead,
  HttpAnswer,
  Identity,
  StoredAdapterState,
} from '@torghut/platform';
import type { OperatorApiConfiguration, OperatorApiPorts } from './ports.ts';

/** What every change carries; the actor is the signed caller, never a member of the body. */
interface Asked {
  readonly reason: string;
  readonly request_id: string | null;
}

const answer = (status: number, body: unknown): HttpAnswer => ({ status, body });
const refuse = (error: string, expected: string, found: unknown, more: object = {}): HttpAnswer =>
  answer(409, { error, expected, found, ...more });

const isStoppingControl = (name: string): name is StoppingControl =>
  (stoppingControlNames as readonly string[]).includes(name);

const inForce = (controls: AccountControls, { deployment }: OperatorApiConfiguration) => ({
  unreadable: controls.trading.readable ? null : controls.trading.detail,
  in_force: controlsInForce(controls, deployment),
});

/** Body of `GET /trading/controls`: what may go out now, and each control with what its setting does. */
export const controlsBody = (
  { controls, rows }: ControlsRead,
  account: string,
  configuration: OperatorApiConfiguration,
  clock: Clock,
) => ({
  as_of: toText(clock.now()),
  account_label: account,
  ...inForce(controls, configuration),
  controls: rows.map(({ id: _, ...row }) => ({
    ...row,
    effect: isStoppingControl(row.control) ? describeControl(row.control, row.engaged) : null,
  })),
});

export const setControl = async (
  { commands, clock, telemetry, configuration }: OperatorApiPorts,
  control: OperatorControl | 'emergency_stop',
  { engaged, reason, request_id: requestId }: Asked & { readonly engaged: boolean },
  identity: Identity,
): Promise<HttpAnswer> => {
  if (control === 'emergency_stop') {
    return refuse(
      'evidence_required',
      'the safety evaluation to trigger the emergency stop, and to clear it once every reason is acknowledged and gone',
      `a request to ${engaged ? 'engage' : 'release'} it by hand`,
      { instead: engaged ? 'kill_switch stops everything at once' : 'see the page of the alarm emergency-stop-active' },
    );
  }
  const changed = await commands.changeControl(
    { control, engaged, reason, requestId, actor: identity.arn },
    clock.now(),
  );
  switch (changed.kind) {
    case 'no_change':
      return refuse(
        'not_a_change',
        `${control} to be ${engaged ? 'released' : 'engaged'} now`,
        `${control} is ${engaged ? 'engaged' : 'released'} since ${changed.row.at} by ${changed.row.actor}: ${changed.row.note}`,
      );
    case 'token_reused':
      return refuse('request_id_reused', 'a new request_id for another change', changed.row.control);
    case 'changed': {
      const { row, repeated, controls } = changed;
      if (!repeated)
        telemetry.info('control changed', {
          control,
          engaged,
          actor: identity.arn,
          reason,
          stops: isStopping(control, engaged),
        });
      return answer(200, {
        control,
        engaged: row.engaged,
        actor: row.actor,
        reason: row.note,
        at: row.at,
        repeated,
        effect: describeControl(control, row.engaged),
        effective:
          stoppingControls[control].effect.stopsAt === 'claim' ? 'at the next claim of an order' : 'at the next cycle',
        ...inForce(controls, configuration),
      });
    }
  }
};

const stateOf = ({ id: _, ...row }: StoredAdapterState) => row;

/** Body of `GET /trading/adapters`. */
export const adaptersBody = ({ inForce: states, history }: AdapterStatesRead, account: string, clock: Clock) => ({
  as_of: toText(clock.now()),
  account_label: account,
  adapters: states.map(stateOf),
  history: history.map(stateOf),
});

const nameOf = ({ adapter, symbol }: Pick<AdapterChange, 'adapter' | 'symbol'>): string =>
  symbol === null ? adapter : `${symbol} on ${adapter}`;

const adapterAnswer = (changed: AdapterStateChanged, change: AdapterChange): HttpAnswer => {
  switch (changed.kind) {
    case 'no_change':
      return refuse(
        'not_a_change',
        `a state of ${nameOf(change)} other than ${change.state}`,
        changed.row === null
          ? `no state of its own, which is ${change.symbol === null ? 'enabled' : `to follow ${change.adapter}`}`
          : `${changed.row.state} since ${changed.row.at} by ${changed.row.actor}: ${changed.row.reason}`,
      );
    case 'token_reused':
      return refuse('request_id_reused', 'a new request_id for another change', {
        adapter: changed.row.adapter,
        symbol: changed.row.symbol,
        state: changed.row.state,
      });
    case 'refused':
      return refuse(
        'raise_refused',
        'stable signal continuity and, for parity symbols, a parity pass of recent sessions, before LEAN takes more than now',
        changed.codes,
        { codes: changed.codes, symbols: changed.symbols },
      );
    case 'changed': {
      const { row, repeated } = changed;
      return answer(200, {
        adapter: row.adapter,
        symbol: row.symbol,
        ...(changed.repeated ? {} : { from: changed.from, raise: changed.raise }),
        state: row.state,
        breaker: row.breaker,
        actor: row.actor,
        reason: row.reason,
        at: row.at,
        repeated,
        effective: 'at the next claim of an order',
      });
    }
  }
};

export const setAdapter = async (
  { commands, clock, telemetry }: OperatorApiPorts,
  change: AdapterChange & { readonly symbol: Ticker | null },
  { reason, request_id: requestId }: Asked,
  identity: Identity,
): Promise<HttpAnswer> => {
  const changed = await commands.changeAdapter({ ...change, reason, requestId, actor: identity.arn }, clock.now());
  if (changed.kind === 'changed' && !changed.repeated) {
    telemetry.count('adapter_transitions_total', 1, { adapter: change.adapter, to: change.state });
    telemetry.info('adapter changed', {
      ...change,
      from: changed.from,
      raise: changed.raise,
      actor: identity.arn,
      reason,
    });
  }
  return adapterAnswer(changed, change);
};
