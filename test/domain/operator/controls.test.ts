import {
  type AccountControls,
  controlsInForce,
  describeControl,
  stoppingControlNames,
  stoppingControls,
  type TradingControls,
} from '@torghut/domain';
import { describe, expect, it } from 'vitest';

const open: Extract<TradingControls, { readable: true }> = {
  readable: true,
  killSwitch: false,
  emergencyStop: false,
  reduceOnly: false,
  tradingEnabled: true,
  tradingMode: 'paper',
};
const deployed = { tradingEnabled: true, liveEnabled: false, autonomyEnabled: true };
const stoppedBy = (trading: TradingControls, change: Partial<AccountControls> = {}, deployment = deployed) => {
  const { entries, exits, cancels } = controlsInForce({ trading, autonomyEnabled: true, ...change }, deployment);
  return [entries, exits, cancels].map(({ allowed, stopped_by: by }) => (allowed ? [] : by));
};

describe('what controls stop', () => {
  it.each([
    ['nothing engaged', {}, [], []],
    ['the kill switch', { killSwitch: true }, ['kill_switch'], ['kill_switch']],
    ['the emergency stop', { emergencyStop: true }, ['emergency_stop'], ['emergency_stop']],
    ['reduce-only', { reduceOnly: true }, ['reduce_only'], []],
    ['trading switched off', { tradingEnabled: false }, ['trading_enabled'], ['trading_enabled']],
    ['two of them', { killSwitch: true, reduceOnly: true }, ['kill_switch', 'reduce_only'], ['kill_switch']],
  ])('%s', (_what, change, entries, exits) => {
    expect(stoppedBy({ ...open, ...change })).toEqual([entries, exits, []]);
  });

  it('everything but cancels when the controls cannot be read, and when the deployment does not trade', () => {
    expect(stoppedBy({ readable: false, detail: 'no row' })).toEqual([
      ['unreadable controls'],
      ['unreadable controls'],
      [],
    ]);
    const off = ['TRADING_ENABLED of the deployment'];
    expect(stoppedBy(open, {}, { ...deployed, tradingEnabled: false })).toEqual([off, off, []]);
    const notAlone = ['autonomy_enabled', 'TRADING_AUTONOMY_ENABLED of the deployment'];
    expect(stoppedBy(open, { autonomyEnabled: false }, { ...deployed, autonomyEnabled: false })).toEqual([
      notAlone,
      notAlone,
      [],
    ]);
    const notLive = ['TRADING_LIVE_ENABLED of the deployment'];
    expect(stoppedBy({ ...open, tradingMode: 'live' })).toEqual([notLive, notLive, []]);
  });

  it.each(stoppingControlNames)('%s says of entries, exits and cancels which stop and which go on', (name) => {
    const { stopsWhen, effect } = stoppingControls[name];
    expect(describeControl(name, stopsWhen)).toContain(
      `entries ${effect.entries}, exits ${effect.exits}, cancels ${effect.cancels}`,
    );
    expect(describeControl(name, !stopsWhen)).toBe(
      `${name} is ${stopsWhen ? 'released' : 'engaged'}: it stops nothing`,
    );
  });
});
