import { minute } from '@torghut/domain';
import { databaseTokens } from '@torghut/platform';
import { beforeEach, describe, expect, it } from 'vitest';
import { TestClock } from '../../infra/local/twins/support.ts';

const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'canary-secret-access-key' };
const place = { host: 'proxy.example.internal', port: 5432, user: 'torghut_app' };

let clock: TestClock;
beforeEach(() => {
  clock = new TestClock();
});
const tokens = () => databaseTokens({ ...place, region: 'eu-west-1', credentials, clock });

describe('a database token', () => {
  it('is a request to connect as the user, signed for 15 minutes, without the secret key', async () => {
    const { password } = await tokens().get();
    const url = new URL(`https://${password}`);
    expect(url.host).toBe('proxy.example.internal:5432');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      Action: 'connect',
      DBUser: 'torghut_app',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': expect.stringMatching(/^AKIDTEST\/\d{8}\/eu-west-1\/rds-db\/aws4_request$/) as string,
      'X-Amz-Expires': '900',
      'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(password).not.toContain(credentials.secretAccessKey);
  });

  it('is used for connections as long as a third of its time is left', async () => {
    const made = tokens();
    const first = await made.get();
    clock.advance(10 * minute - 1);
    expect(await made.get()).toBe(first);
    clock.advance(1);
    expect(await made.get()).not.toBe(first);
  });
});
