import { SettingsError } from '@torghut/domain';
import { EvidenceConflict } from '@torghut/domain/evidence';
import { SigningKeyError } from '@torghut/platform';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { LaneFailed, OutOfReach } from '../../../functions/research-lane/lane-failed.ts';
import { reaching } from '../../../functions/research-lane/out-of-reach.ts';

const named = (name: string): Error => Object.assign(new Error('no'), { name });
const withCode = (code: string): Error => Object.assign(new Error('no'), { code });
const failureOf = (work: () => unknown): Error => {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error, found none');
};
const thrownBy = (error: Error): Promise<unknown> =>
  reaching('signing_failed', () => Promise.reject(error)).catch((thrown: unknown) => thrown);

it.each<readonly [string, Error]>([
  ['a value that Postgres refuses', withCode('22003')],
  ['a row that Postgres refuses', withCode('23514')],
  ['a statement that Postgres refuses', withCode('42703')],
  ['a number out of its range', new RangeError('no')],
  ['a defect', new TypeError('no')],
  ['a document of another form', failureOf(() => z.string().parse(1))],
  ['a key that cannot sign', new SigningKeyError('no')],
  ['a key that may not be used', named('AccessDeniedException')],
  ['an object that may not be read', named('AccessDenied')],
  ['settings that are wrong', new SettingsError(['no'])],
  ['bytes that contradict what is stored', new EvidenceConflict('no')],
  ['a step that failed by name', new LaneFailed('evaluation_error', new Error('no'))],
])('%s is no outage: it stays so, however often it is tried', async (_, error) => {
  expect(await thrownBy(error)).toBe(error);
});

it.each<readonly [string, Error]>([
  ['a connection that is refused', withCode('ECONNREFUSED')],
  ['a server that shuts down', withCode('57P01')],
  ['a transaction that met another one', withCode('40001')],
  ['a connection that broke', withCode('08006')],
  ['a service that throttles', named('ThrottlingException')],
])('%s is one', async (_, error) => {
  expect(await thrownBy(error)).toMatchObject({
    name: 'OutOfReach',
    code: 'signing_failed',
    message: 'signing_failed: no',
  });
});

it('an outage that is known by name keeps its code', async () => {
  const outage = new OutOfReach('dataset_unavailable', new Error('no'));
  expect(await thrownBy(outage)).toBe(outage);
});
