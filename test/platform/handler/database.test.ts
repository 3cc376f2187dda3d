import { SettingsError } from '@torghut/domain';
import { databaseAddress } from '@torghut/platform';
import { describe, expect, it } from 'vitest';

const own = {
  DATABASE_HOST: 'proxy.example.internal',
  DATABASE_PORT: '5432',
  DATABASE_NAME: 'torghut',
  DATABASE_USER: 'torghut_app',
};
const without = (key: keyof typeof own) => ({ ...own, [key]: undefined });

describe('where the database is', () => {
  it('is said by the environment for a database of our own', () => {
    expect(databaseAddress(own)).toEqual({
      kind: 'identity',
      host: 'proxy.example.internal',
      port: 5432,
      database: 'torghut',
      user: 'torghut_app',
    });
  });

  it('is said by a secret otherwise', () => {
    expect(databaseAddress({ DATABASE_SECRET_ID: 'arn:secret' })).toEqual({ kind: 'secret', secretId: 'arn:secret' });
  });

  it.each([
    ['nothing', {}, /DATABASE_SECRET_ID: expected a value, found none; or set DATABASE_HOST, DATABASE_PORT/],
    ['both', { ...own, DATABASE_SECRET_ID: 'arn:secret' }, /DATABASE_SECRET_ID: expected none because DATABASE_HOST/],
    [
      'no host',
      without('DATABASE_HOST'),
      /DATABASE_HOST: expected a value because DATABASE_PORT, .* is set, found none/,
    ],
    ['no port', without('DATABASE_PORT'), /DATABASE_PORT: expected a value because DATABASE_HOST/],
    ['no name', without('DATABASE_NAME'), /DATABASE_NAME: expected a value/],
    ['an empty user', { ...own, DATABASE_USER: '' }, /DATABASE_USER: expected a value/],
    ['a port that is none', { ...own, DATABASE_PORT: '70000' }, /DATABASE_PORT: expected a port .*, found "70000"/],
    [
      'half of one and the other',
      { DATABASE_PORT: '5432', DATABASE_SECRET_ID: 'arn:secret' },
      /DATABASE_HOST: expected a value.*DATABASE_SECRET_ID: expected none/,
    ],
  ])('is refused with the key at fault when the environment holds %s', (_title, environment, problem) => {
    expect(() => databaseAddress(environment)).toThrow(SettingsError);
    expect(() => databaseAddress(environment)).toThrow(problem);
  });
});
