import type { ControlName } from '../enumerations.ts';
import type { TradingControls } from '../risk/context.ts';

/** What goes on and what stops. Cancels are always allowed, so that no stop can hold an order open. */
export interface ControlEffect {
  readonly entries: 'stop' | 'continue';
  readonly exits: 'stop' | 'continue';
  readonly cancels: 'continue';
  /** `claim`: the next broker call is refused, whatever was decided. `decision`: nothing new is decided. */
  readonly stopsAt: 'claim' | 'decision';
  readonly openOrders: 'are cancelled' | 'are followed to their end';
}

const everything: ControlEffect = {
  entries: 'stop',
  exits: 'stop',
  cancels: 'continue',
  stopsAt: 'claim',
  openOrders: 'are followed to their end',
};
const everythingAtOnce: ControlEffect = { ...everything, openOrders: 'are cancelled' };
const entriesOnly: ControlEffect = { ...everything, exits: 'continue' };
const decisions: ControlEffect = { ...everything, stopsAt: 'decision' };

/**
 * The controls that stop orders, strongest first: the value of `engaged` with which each stops, and what it stops. "Trading
 * stops" is never said without saying what: an exit that goes on and one that does not are different risks.
 */
export const stoppingControls = {
  kill_switch: { stopsWhen: true, effect: everythingAtOnce },
  emergency_stop: { stopsWhen: true, effect: everythingAtOnce },
  reduce_only: { stopsWhen: true, effect: entriesOnly },
  trading_enabled: { stopsWhen: false, effect: everything },
  autonomy_enabled: { stopsWhen: false, effect: decisions },
} as const satisfies Readonly<
  Partial<Record<ControlName, { readonly stopsWhen: boolean; readonly effect: ControlEffect }>>
>;
export type StoppingControl = keyof typeof stoppingControls;
export const stoppingControlNames = Object.keys(stoppingControls) as StoppingControl[];

/** Controls that an operator sets by name; the emergency stop clears by evidence. */
export const operatorControls = ['kill_switch', 'reduce_only', 'trading_enabled', 'autonomy_enabled'] as const;
export type OperatorControl = (typeof operatorControls)[number];

export const isStopping = (control: StoppingControl, engaged: boolean): boolean =>
  stoppingControls[control].stopsWhen === engaged;

/** One sentence of what a setting of a control does to entries, exits and cancels. */
export const describeControl = (control: StoppingControl, engaged: boolean): string => {
  const set = `${control} is ${engaged ? 'engaged' : 'released'}`;
  if (!isStopping(control, engaged)) return `${set}: it stops nothing`;
  const { effect }: { readonly effect: ControlEffect } = stoppingControls[control];
  const words = (['entries', 'exits', 'cancels'] as const).map((kind) => `${kind} ${effect[kind]}`);
  const decided = effect.stopsAt === 'decision' ? 'nothing new is decided, what was decided before goes out; ' : '';
  return `${set}: ${words.join(', ')}; ${decided}open orders ${effect.openOrders}`;
};

/** Whether orders of a kind go out, and every control that stops them. */
export interface OrderPermission {
  readonly allowed: boolean;
  readonly stopped_by: readonly string[];
}

export interface ControlsInForce {
  readonly entries: OrderPermission;
  readonly exits: OrderPermission;
  readonly cancels: OrderPermission;
}

/** The controls of an account, as rows say it. */
export interface AccountControls {
  readonly trading: TradingControls;
  readonly autonomyEnabled: boolean;
}

/** What the deployment allows at all; the controls of an account can only narrow it. */
export interface DeploymentSwitches {
  readonly tradingEnabled: boolean;
  readonly liveEnabled: boolean;
  readonly autonomyEnabled: boolean;
}

/** What all controls together do. */
export const controlsInForce = (
  { trading, autonomyEnabled }: AccountControls,
  deployment: DeploymentSwitches,
): ControlsInForce => {
  const { kill_switch, emergency_stop, reduce_only, trading_enabled, autonomy_enabled } = stoppingControls;
  const stopping: readonly (readonly [string, boolean, ControlEffect])[] = trading.readable
    ? [
        ['kill_switch', trading.killSwitch, kill_switch.effect],
        ['emergency_stop', trading.emergencyStop, emergency_stop.effect],
        ['reduce_only', trading.reduceOnly, reduce_only.effect],
        ['trading_enabled', !trading.tradingEnabled, trading_enabled.effect],
        ['autonomy_enabled', !autonomyEnabled, autonomy_enabled.effect],
        ['TRADING_ENABLED of the deployment', !deployment.tradingEnabled, everything],
        ['TRADING_AUTONOMY_ENABLED of the deployment', !deployment.autonomyEnabled, decisions],
        [
          'TRADING_LIVE_ENABLED of the deployment',
          trading.tradingMode === 'live' && !deployment.liveEnabled,
          everything,
        ],
      ]
    : [['unreadable controls', true, everythingAtOnce]];
  const permission = (kind: 'entries' | 'exits'): OrderPermission => {
    const stoppedBy = stopping.filter(([, stops, effect]) => stops && effect[kind] === 'stop').map(([name]) => name);
    return { allowed: stoppedBy.length === 0, stopped_by: stoppedBy };
  };
  return {
    entries: permission('entries'),
    exits: permission('exits'),
    cancels: { allowed: true, stopped_by: [] },
  };
};
