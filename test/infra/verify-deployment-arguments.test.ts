import { describe, expect, it } from 'vitest';

import { UsageError } from '../../infra/cli/options.ts';
import { parseArguments } from '../../infra/cli/verify-deployment/arguments.ts';
import { lateChecks } from '../../infra/cli/verify-deployment/verify.ts';

describe('options of verify-deployment', () => {
  it('needs the environment only', () => {
    expect(parseArguments(['--environment', 'live'])).toEqual({
      help: false,
      environment: 'live',
      region: null,
      endpoint: null,
      stackPrefix: 'torghut-live-',
      since: null,
      expectedCodeHash: null,
      allowUnknown: [],
      jsonFile: null,
      waitSeconds: 0,
    });
  });

  it('takes all of them', () => {
    const hash = 'a1'.repeat(32);
    expect(
      parseArguments(
        `--environment paper --region eu-central-1 --endpoint http://127.0.0.1:4566 --stack-prefix mine- --since 2026-02-13T10:00:00-05:00 --expect-code-hash ${hash} --allow-unknown routes,lane-runs --json report.json --wait 120`.split(
          ' ',
        ),
      ),
    ).toEqual({
      help: false,
      environment: 'paper',
      region: 'eu-central-1',
      endpoint: 'http://127.0.0.1:4566',
      stackPrefix: 'mine-',
      since: Date.parse('2026-02-13T15:00:00.000Z'),
      expectedCodeHash: hash,
      allowUnknown: ['routes', 'lane-runs'],
      jsonFile: 'report.json',
      waitSeconds: 120,
    });
  });

  it('needs nothing with --help', () => {
    expect(parseArguments(['--help'])).toMatchObject({ help: true });
  });

  it.each([
    { words: '', complaint: '--environment: expected paper or live, found nothing' },
    { words: '--environment test', complaint: '--environment: expected paper or live, found "test"' },
    { words: '--region Frankfurt', complaint: '--region: expected a region such as us-east-1, found "Frankfurt"' },
    {
      words: '--endpoint localhost:4566',
      complaint: '--endpoint: expected an http or https URL, found "localhost:4566"',
    },
    { words: '--stack-prefix *', complaint: '--stack-prefix: expected letters, digits and -, found "*"' },
    {
      words: '--since 2026-02-13',
      complaint: '--since: expected an ISO-8601 time with a zone such as 2026-02-13T15:00:00Z, found "2026-02-13"',
    },
    { words: '--expect-code-hash abc', complaint: '--expect-code-hash: expected 64 hex digits, found "abc"' },
    {
      words: '--allow-unknown schema',
      complaint: `--allow-unknown: expected a comma-separated list of ${lateChecks.join(', ')}, found "schema"`,
    },
    { words: '--wait 3601', complaint: '--wait: expected a whole number of seconds from 0 to 3600, found "3601"' },
    { words: '--wait 1.5', complaint: '--wait: expected a whole number of seconds from 0 to 3600, found "1.5"' },
    { words: '--frob', complaint: "Unknown option '--frob'; --help lists the options" },
    { words: 'paper', complaint: "Unexpected argument 'paper'" },
    { words: '--region', complaint: "Option '--region <value>' argument missing; --help lists the options" },
  ])('refuses "$words"', ({ words, complaint }) => {
    const given = words.split(' ').filter((word) => word !== '');
    const others = words === '' || words.startsWith('--environment') ? [] : ['--environment', 'paper'];
    expect(() => parseArguments([...others, ...given])).toThrow(UsageError);
    expect(() => parseArguments([...others, ...given])).toThrow(complaint);
  });
});
