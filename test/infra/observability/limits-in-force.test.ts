import { limits, type Limit, parseSettings } from '@torghut/domain';
import { describe, expect, it } from 'vitest';

import { SettingsError } from '../../../infra/config.ts';
import { limitsInForce } from '../../../infra/constructs/observability/limits-in-force.ts';

const keys = Object.values(limits).flatMap(({ environmentKey }: Limit) =>
  environmentKey === null ? [] : [environmentKey],
);
const texts = [
  ...['0', '1', '7', '007', '0.5', '1.0', '1.5', '100000000', '100000001', '250.25'],
  ...['', ' ', 'abc', 'NaN', 'Infinity', '1e3', '0x10', '-1', '-0.5', '+1', ' 1', '1 ', '.5', '5.', '1,5', 'null'],
  ...['true', 'false', 'TRUE', 'yes'],
];

/** The limits, or null where they are refused. */
const read = (reader: () => unknown): unknown => {
  try {
    return reader();
  } catch {
    return null;
  }
};

describe('the limits the alarms are built on', () => {
  it.each(keys)('are those that the functions read from %s, or refused like theirs', (key) => {
    for (const text of texts) {
      const environment = { [key]: text };
      expect(
        read(() => limitsInForce(environment)),
        JSON.stringify(text),
      ).toEqual(read(() => parseSettings(environment).limits));
    }
  });

  it('are refused with the name of every override at fault', () => {
    const refused = () => limitsInForce({ TRADING_SIGNAL_WARN_SECONDS: 'abc', TRADING_MAX_GROSS: '-1' });
    expect(refused).toThrow(SettingsError);
    expect(refused).toThrow('TRADING_SIGNAL_WARN_SECONDS: expected a whole number from 0 to 100000000, found "abc"');
    expect(refused).toThrow('TRADING_MAX_GROSS: expected a decimal number of at least 0, found "-1"');
  });
});
