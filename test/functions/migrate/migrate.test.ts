import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { schemaVersion } from '@torghut/domain';
import { createMemoryTelemetry, type MemoryTelemetry, readLedgerRelease } from '@torghut/platform';
import type { Context } from 'aws-lambda';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { createHandler } from '../../../functions/migrate/handler.ts';
import { run } from '../../../functions/migrate/run.ts';
import { wire } from '../../../functions/migrate/wire.ts';
import { writeBundle } from '../../../infra/constructs/bundle.ts';
import { functionBundle } from '../../../infra/constructs/function-bundle.ts';
import { readLedgerFiles } from '../../../infra/constructs/migration.ts';
import { type LocalPostgres, startPostgres } from '../../../infra/local/engines/postgres.ts';
import { type LocalAws, localAws } from '../../support/local-aws.ts';
import { postgresMigrations } from '../../support/migrations.ts';
import { type ResponseUrl, startResponseUrl } from '../../support/response-url.ts';

// A cluster of this file's own: the role of the runtime gets another password here.
let postgres: LocalPostgres;
let aws: LocalAws;
let waiting: ResponseUrl;
let telemetry: MemoryTelemetry;
let database: string;
/** Migrations under test: those of the repository, which a test may change. */
let migrations: string;
const clients: pg.Client[] = [];

const administratorPassword = 'canary-of-the-administrator';
const runtimePassword = 'canary-of-the-runtime';
const root = join(import.meta.dirname, '../../..');
const catalog = join(root, 'infra/strategies.yaml');

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-migrate-'));
  await rm(directory, { recursive: true });
  postgres = await startPostgres({ dataDir: directory, persistent: false });
  aws = await localAws();
  // As with a database service: whoever migrates first may create roles and databases, and is no superuser.
  await administer(
    'DROP ROLE torghut_owner',
    'DROP ROLE torghut_app',
    'DROP ROLE torghut_readonly',
    `CREATE ROLE cloud_admin LOGIN CREATEROLE CREATEDB PASSWORD '${administratorPassword}'`,
    `CREATE ROLE stranger LOGIN PASSWORD '${administratorPassword}'`,
  );
});
afterAll(async () => {
  await aws.close();
  await postgres.stop();
});

let databases = 0;
beforeEach(async () => {
  databases += 1;
  database = `ledger_${databases}`;
  await administer(`CREATE DATABASE ${database} OWNER cloud_admin`);
  waiting = await startResponseUrl();
  telemetry = createMemoryTelemetry();
  migrations = await mkdtemp(join(tmpdir(), 'torghut-migrations-'));
  await cp(postgresMigrations, migrations, { recursive: true });
  putOwner();
  aws.secrets.put('database', JSON.stringify({ username: 'torghut_app', password: runtimePassword }));
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await waiting.close();
  await rm(migrations, { recursive: true });
});

const administer = async (...statements: readonly string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: postgres.adminUrl() });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};

const putOwner = (change: Readonly<Record<string, unknown>> = {}): void => {
  aws.secrets.put(
    'owner',
    JSON.stringify({
      host: postgres.host,
      port: postgres.port,
      dbname: database,
      username: 'cloud_admin',
      password: administratorPassword,
      ...change,
    }),
  );
};

/** A connection of the cluster's superuser to the database under test. */
const superuser = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: postgres.adminUrl(database) });
  await client.connect();
  clients.push(client);
  return client;
};

interface Given {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly remainingMs?: number;
}

const environmentOf = (change: Given['environment'] = {}): Readonly<Record<string, string | undefined>> => ({
  TORGHUT_CODE_HASH: 'a'.repeat(64),
  TRADING_ACCOUNT_LABEL: 'paper',
  // An account starts closed whatever the settings say.
  TRADING_ENABLED: 'true',
  AWS_ENDPOINT_URL: aws.endpoint.url,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  DATABASE_OWNER_SECRET_ID: 'owner',
  DATABASE_SECRET_ID: 'database',
  ...change,
});

const event = (): unknown => ({
  RequestType: 'Update',
  ResponseURL: waiting.url,
  StackId: 'stack',
  RequestId: 'request',
  LogicalResourceId: 'LedgerMigration',
  PhysicalResourceId: 'torghut-ledger',
  ResourceProperties: { Files: 'digest' },
});

/** The one answer that CloudFormation got. */
const answered = (): { readonly status: unknown; readonly reason: string } => {
  expect(waiting.answers).toHaveLength(1);
  const [answer] = waiting.answers.splice(0);
  return { status: answer?.body['Status'], reason: String(answer?.body['Reason']) };
};

/** Deploys the migrations under test. */
const deploy = async ({ environment = {}, remainingMs = 300_000 }: Given = {}): Promise<
  ReturnType<typeof answered>
> => {
  const handler = createHandler(telemetry, () =>
    wire(environmentOf(environment), {
      clock: aws.clock,
      telemetry,
      release: () => readLedgerRelease(migrations, catalog),
    }),
  );
  await handler(event(), { getRemainingTimeInMillis: () => remainingMs } as Context);
  return answered();
};

const file = (name: string, sql: string): Promise<void> => writeFile(join(migrations, name), sql);

/** The version of a migration that comes after those of this release. */
const after = (count: number): string => String(Number(schemaVersion) + count).padStart(4, '0');

/** Every table with its columns, and every row about versions: what a failed migration must leave alone. */
const schemaOf = async (client: pg.Client): Promise<readonly unknown[]> => {
  const { rows } = await client.query(
    `SELECT c.relname, c.oid, c.relacl::text, a.attname, a.atttypid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 ORDER BY 1, 4`,
  );
  const versions = await client.query('SELECT * FROM schema_migrations ORDER BY version');
  return [...(rows as unknown[]), ...(versions.rows as unknown[])];
};

describe('the first deployment', () => {
  it('brings an empty database up to the release, closed, and lets the runtime role in', async () => {
    const { status, reason } = await deploy();
    expect(status, reason).toBe('SUCCESS');
    expect(reason).toContain(`schema version ${schemaVersion}; applied: 0001, `);
    expect(reason).toContain('the password of the runtime role was set');

    const runtime = new pg.Client({
      host: postgres.host,
      port: postgres.port,
      database,
      user: 'torghut_app',
      password: runtimePassword,
    });
    await runtime.connect();
    clients.push(runtime);
    const controls = await runtime.query<{ control: string }>(
      'SELECT control FROM trading_controls WHERE engaged AND superseded_at IS NULL ORDER BY control',
    );
    expect(controls.rows.map(({ control }) => control)).toEqual(['kill_switch', 'trading_mode']);
    const stages = await runtime.query('SELECT DISTINCT account_label, stage FROM capital_stages');
    expect(stages.rows).toEqual([{ account_label: 'paper', stage: 'shadow' }]);
    const versions = await runtime.query('SELECT version FROM schema_migrations WHERE compatible_from IS NULL');
    expect(versions.rows).toEqual([]);
    const limit = await runtime.query('SHOW statement_timeout');
    expect(limit.rows).toEqual([{ statement_timeout: '8s' }]);
  });

  it('leaves a limit of statements that an administrator set, and asks for one where it may not set it', async () => {
    const limiting = '0015_statement_limit.sql';
    const later = (await readdir(migrations)).filter((name) => name >= limiting);
    for (const name of later) await rm(join(migrations, name));
    expect((await deploy()).status).toBe('SUCCESS');
    for (const name of later) await cp(join(postgresMigrations, name), join(migrations, name));
    await administer(`CREATE ROLE owning_member LOGIN PASSWORD '${administratorPassword}' IN ROLE torghut_owner`);
    putOwner({ username: 'owning_member' });
    const { status, reason } = await deploy();
    expect(status).toBe('FAILED');
    expect(reason).toContain(
      "expected a statement_timeout of torghut_app, found none, and owning_member may not set it: run ALTER ROLE torghut_app SET statement_timeout = '8s' as an administrator",
    );

    await administer(`ALTER ROLE torghut_app IN DATABASE ${database} SET statement_timeout = '5s'`);
    expect((await deploy()).status).toBe('SUCCESS');
    const { rows } = await (
      await superuser()
    ).query(
      `SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'torghut_app'::regrole
         AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    expect(rows).toEqual([{ setconfig: ['statement_timeout=5s'] }]);
  });

  it('stores the verifier of the password, which no statement of the server log could give away', async () => {
    await deploy();
    const { rows } = await (
      await superuser()
    ).query<{ rolpassword: string }>(`SELECT rolpassword FROM pg_authid WHERE rolname = 'torghut_app'`);
    expect(rows[0]?.rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
    const log = await readFile(
      (await (await superuser()).query<{ path: string }>(`SELECT current_setting('data_directory') AS path`)).rows[0]!
        .path + '/server.log',
      'utf8',
    );
    expect(log).not.toContain(runtimePassword);
  });
});

describe('the function as it is deployed', () => {
  it('has its dependencies in its bundle and its migrations beside it', { timeout: 60_000 }, async () => {
    const asset = await mkdtemp(join(tmpdir(), 'torghut-asset-'));
    const { files } = readLedgerFiles(root);
    writeBundle(functionBundle({ sourceRoot: root, name: 'migrate', inlineLayers: true, files }), asset);
    // A process of its own, as in Lambda: nothing of this repository is within its reach.
    const script = `
      const { handler } = await import(process.argv[1]);
      await handler(JSON.parse(process.argv[2]), { getRemainingTimeInMillis: () => 300000 });`;
    try {
      await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', script, join(asset, 'index.mjs'), JSON.stringify(event())],
        { cwd: asset, env: { PATH: '', ...environmentOf() } },
      );
      const { status, reason } = answered();
      expect(status, reason).toBe('SUCCESS');
      expect(reason).toContain(`schema version ${schemaVersion}; applied: 0001, `);
    } finally {
      await rm(asset, { recursive: true });
    }
  });
});

describe('a deployment that changes nothing', () => {
  it('touches no schema and no password, as an administrator who does not inherit from the owner', async () => {
    await deploy();
    const client = await superuser();
    await client.query(
      `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'DDL: %', tg_tag; END $$;
       CREATE EVENT TRIGGER refuse_ddl ON ddl_command_start EXECUTE FUNCTION refuse()`,
    );
    const before = await client.query(`SELECT rolpassword FROM pg_authid WHERE rolname = 'torghut_app'`);
    const { status, reason } = await deploy();
    expect(status, reason).toBe('SUCCESS');
    expect(reason).toMatch(
      /applied: nothing new; .*none, they were there; the runtime role signs in with its password$/,
    );
    expect((await client.query(`SELECT rolpassword FROM pg_authid WHERE rolname = 'torghut_app'`)).rows).toEqual(
      before.rows,
    );
  });

  it('keeps what operators have decided since', async () => {
    await deploy();
    const client = await superuser();
    await client.query(
      `UPDATE trading_controls SET superseded_at = now() WHERE control = 'kill_switch' AND superseded_at IS NULL;
       INSERT INTO trading_controls (account_label, control, engaged, value, reasons, actor, note, at)
       VALUES ('paper', 'kill_switch', false, NULL, '[]', 'operator', 'released', now())`,
    );
    await deploy();
    const { rows } = await client.query(
      `SELECT engaged, actor FROM trading_controls WHERE control = 'kill_switch' AND superseded_at IS NULL`,
    );
    expect(rows).toEqual([{ engaged: false, actor: 'operator' }]);
  });
});

describe('the login of the runtime role', () => {
  const login = async (environment: Given['environment'] = {}): Promise<string> => {
    const { status, reason } = await deploy({ environment });
    expect(status, reason).toBe('SUCCESS');
    return reason;
  };

  it('follows its secret', async () => {
    await login();
    aws.secrets.put('database', JSON.stringify({ username: 'torghut_app', password: 'canary-rotated' }));
    expect(await login()).toContain('the password of the runtime role was set');
    expect(await login()).toContain('the runtime role signs in with its password');
  });

  it('is left alone when the runtime signs in as somebody else, or has no secret', async () => {
    aws.secrets.put('database', JSON.stringify({ username: 'somebody', password: 'x' }));
    expect(await login()).toContain('the runtime signs in as a role of its own');
    expect(await login({ DATABASE_SECRET_ID: undefined })).toMatch(/they were there$|trading_mode$/);
  });

  describe('where members of rds_iam have no passwords, as on Amazon RDS', () => {
    let hba: string;
    let rules: string;

    /** Replaces the rules of who may sign in how, and waits until the server goes by them. */
    const govern = async (text: string): Promise<void> => {
      await writeFile(hba, text);
      const loadedAt = async (): Promise<number> => {
        const client = new pg.Client({ connectionString: postgres.adminUrl() });
        await client.connect();
        const { rows } = await client.query<{ at: Date }>('SELECT pg_conf_load_time() AS at');
        await client.end();
        return rows[0]!.at.getTime();
      };
      const before = await loadedAt();
      await administer('SELECT pg_reload_conf()');
      await vi.waitUntil(async () => (await loadedAt()) > before, { timeout: 10_000 });
    };

    beforeEach(async () => {
      const { rows } = await (await superuser()).query<{ hba_file: string }>('SHOW hba_file');
      hba = rows[0]!.hba_file;
      rules = await readFile(hba, 'utf8');
      await administer('CREATE ROLE rds_iam');
      // Who may grant the role is a member of it, and no such thing on RDS.
      await govern(`host all cloud_admin all scram-sha-256\nhost all +rds_iam all reject\n${rules}`);
    });
    afterEach(async () => {
      await administer('DROP ROLE rds_iam');
      await govern(rules);
    });

    it('is made one by password, because the runtime has nothing else', async () => {
      await administer('GRANT rds_iam TO cloud_admin WITH ADMIN OPTION');
      aws.secrets.put('database', JSON.stringify({ username: 'torghut_app', password: 'canary-external' }));
      expect(await login()).toContain('the runtime role was taken out of rds_iam, and its password was set');
      expect(await login()).toContain('the runtime role signs in with its password');

      const owner = new pg.Client({
        ...{ host: postgres.host, port: postgres.port, database, user: 'cloud_admin', password: administratorPassword },
      });
      await owner.connect();
      clients.push(owner);
      await owner.query('GRANT rds_iam TO torghut_app');
      expect(await login()).toContain('the runtime role was taken out of rds_iam and signs in with its password');
    });

    it('is not claimed when the secret holds no password', async () => {
      await administer('GRANT rds_iam TO cloud_admin WITH ADMIN OPTION');
      aws.secrets.put('database', 'a random value');
      const { status, reason } = await deploy();
      expect(status).toBe('FAILED');
      expect(reason).toMatch(/^secret database: expected a JSON document, found other text/);
    });

    it.each([
      [
        'somebody else made it a member',
        ['GRANT rds_iam TO torghut_app'],
        /^torghut_app cannot sign in with the password of its secret: it is a member of rds_iam, whose members sign in with IAM tokens only, and the owner's role may not change that \(42501\); run REVOKE rds_iam FROM torghut_app as an administrator/,
      ],
      [
        'it is a member through another role',
        ['CREATE ROLE between IN ROLE rds_iam', 'GRANT between TO torghut_app'],
        /IAM tokens only, and it is one through another role, which is not ours to change; run REVOKE/,
      ],
    ])('fails the deployment when %s', async (_, statements, expected) => {
      await administer('GRANT rds_iam TO cloud_admin WITH ADMIN OPTION');
      await login();
      await administer(...statements);
      const { status, reason } = await deploy();
      await administer('DROP ROLE IF EXISTS between');
      expect(status).toBe('FAILED');
      expect(reason).toMatch(expected);
    });
  });

  it.each([
    [
      'not JSON',
      'a random value',
      /^secret database: expected a JSON document, found other text; expected a JSON object with username, password there/,
    ],
    [
      'of characters that clients encode differently',
      JSON.stringify({ username: 'torghut_app', password: 'pässword' }),
      /expected printable ASCII.*; the ledger itself is at schema version \d{4}$/,
    ],
  ])('fails the deployment when its secret is %s', async (_, value, expected) => {
    aws.secrets.put('database', value);
    const { status, reason } = await deploy();
    expect(status).toBe('FAILED');
    expect(reason).toMatch(expected);
    expect(reason).not.toContain('pässword');
  });
});

describe('a deployment that fails says why', () => {
  /** A port that nothing listens on. */
  const closedPort = async (): Promise<number> => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return port;
  };

  type Case = readonly [string, () => Promise<void> | void, RegExp, Given['environment']?];
  const cases: readonly Case[] = [
    [
      'a host that nothing answers on',
      async () => {
        putOwner({ port: await closedPort() });
      },
      /^cannot connect as "cloud_admin" to ledger_\d+ at 127\.0\.0\.1:\d+ \(ECONNREFUSED\): nothing answers there; check host and port/,
    ],
    [
      'a host that does not exist',
      () => {
        putOwner({ host: 'database.invalid' });
      },
      /at database\.invalid:\d+ \((?:ENOTFOUND|EAI_AGAIN)\): the host name does not resolve; correct host in the secret/,
    ],
    [
      'a wrong password',
      () => {
        putOwner({ password: 'canary-wrong' });
      },
      /\(28P01\): the database refused role and password; correct the secret \(owner\); nothing was changed: deploy again, or continue the rollback if it stopped here$/,
    ],
    [
      'a database that does not exist',
      () => {
        putOwner({ dbname: 'nowhere' });
      },
      /\(3D000\): there is no such database; create it, or correct dbname/,
    ],
    [
      'a secret that holds nothing yet',
      () => {
        aws.secrets.put('owner', 'a random value that the stack made');
      },
      /^secret owner: expected a JSON document, found other text; expected a JSON object with host, port, dbname, username, password there, that this function may read; nothing was changed: deploy again, or continue the rollback if it stopped here$/,
    ],
    [
      'a secret of another form',
      () => {
        putOwner({ host: undefined });
      },
      /^secret owner: not of the expected form at host \(invalid_type\); expected a JSON object/,
    ],
    [
      'a secret that does not exist',
      () => undefined,
      /^secret absent: cannot be read \(ResourceNotFoundException\); expected a JSON object/,
      { DATABASE_OWNER_SECRET_ID: 'absent' },
    ],
    [
      'no secret',
      () => undefined,
      /DATABASE_OWNER_SECRET_ID: expected the ARN of the owner's secret, found none/,
      { DATABASE_OWNER_SECRET_ID: undefined },
    ],
    [
      'a role that may not create roles, on an empty database',
      () => {
        putOwner({ username: 'stranger' });
      },
      /^connected as "stranger", which may not create roles: the first run needs a role that may, or a member of torghut_owner; give the owner's credentials; the database has no schema$/,
    ],
    [
      'a role that is not the owner, on a ledger',
      async () => {
        await deploy();
        putOwner({ username: 'torghut_app', password: runtimePassword });
      },
      /^connected as "torghut_app", which is not a member of torghut_owner: expected one that may SET ROLE to it; give the owner's credentials/,
    ],
    [
      'a statement that the database refuses',
      async () => {
        await deploy();
        await file(
          `${after(1)}_broken.sql`,
          `-- compatible-from: ${after(1)}\nSET LOCAL ROLE torghut_owner;\n\nCREATE TABLE fine (id int);\nALTER TABLE executions ADD COLUMN extra nothing;\n`,
        );
      },
      /^NEXT_broken\.sql, line 5 \(ALTER TABLE executions ADD COLUMN extra nothing\): type "nothing" does not exist; nothing of NEXT_broken\.sql is in force, the database is at schema version THIS: correct the file and run the migrations again$/,
    ],
    [
      'a table that something holds for longer than all attempts',
      async () => {
        await deploy();
        const holder = await superuser();
        await holder.query('BEGIN; LOCK TABLE strategies IN ACCESS SHARE MODE');
        await file(
          `${after(1)}_busy.sql`,
          `-- compatible-from: ${schemaVersion}\nSET LOCAL ROLE torghut_owner;\nLOCK TABLE strategies NOWAIT;\n`,
        );
      },
      /^NEXT_busy\.sql, line 3 \(LOCK TABLE strategies NOWAIT\): could not obtain lock on relation "strategies"; the database is at schema version THIS: let what holds the table end, and run the migrations again$/,
    ],
    [
      'a release that a newer one has left behind',
      async () => {
        await file(`${after(1)}_next.sql`, `-- compatible-from: ${after(1)}\nSET LOCAL ROLE torghut_owner;\n`);
        await deploy();
        await rm(join(migrations, `${after(1)}_next.sql`));
      },
      /^the database has migration NEXT, which this release does not contain: it works with releases from schema version NEXT on, and this one has THIS; run the newer release; the database is at schema version NEXT$/,
    ],
  ];

  it.for(cases)('%s', async ([, arrange, expected, environment = {}]) => {
    await arrange();
    const { status, reason } = await deploy({ environment });
    expect(status).toBe('FAILED');
    expect(reason.replaceAll(schemaVersion, 'THIS').replaceAll(after(1), 'NEXT')).toMatch(expected);
    expect(reason).not.toContain('\n');
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(1_024);
    expect(`${reason}${JSON.stringify(telemetry.logs())}`).not.toContain('canary');
  });

  it('and leaves the tables of the version before as they were', async () => {
    await deploy();
    const client = await superuser();
    const before = await schemaOf(client);
    await file(
      `${after(1)}_broken.sql`,
      `-- compatible-from: ${schemaVersion}\nSET LOCAL ROLE torghut_owner;\nDROP TABLE strategy_health;\nCREATE TABLE fine (id int);\nSELECT 1 / 0;\n`,
    );
    expect((await deploy()).reason).toContain('_broken.sql, line 5 (SELECT 1 / 0): division by zero');
    expect(await schemaOf(client)).toEqual(before);
  });

  it('before its own time is over, without leaving a lock behind', async () => {
    await deploy();
    await file(`${after(1)}_endless.sql`, `-- compatible-from: ${schemaVersion}\nSELECT pg_sleep(600);\n`);
    const { status, reason } = await deploy({ remainingMs: 12_000 });
    expect(status).toBe('FAILED');
    expect(reason).toMatch(
      /^not finished within the 2 s it may take: \d{4}_endless\.sql, line 2 \(SELECT pg_sleep\(600\)\): Connection terminated/,
    );
    await rm(join(migrations, `${after(1)}_endless.sql`));
    expect((await deploy()).status).toBe('SUCCESS');
  });
});

describe('a deployment that is given up while it connects', () => {
  it('closes the connection that comes up afterwards, and changes nothing', async () => {
    const ports = wire(environmentOf(), {
      clock: aws.clock,
      telemetry,
      release: () => readLedgerRelease(migrations, catalog),
    });
    const giveUp = new AbortController();
    const connectOwner = async () => {
      const owner = await ports.connectOwner();
      giveUp.abort(new Error('given up'));
      return owner;
    };
    await expect(run({ ...ports, connectOwner }, giveUp.signal)).rejects.toThrow('given up');
    const client = await superuser();
    const schema = await client.query(`SELECT to_regclass('schema_migrations') AS history`);
    expect(schema.rows).toEqual([{ history: null }]);
    await vi.waitUntil(async () => {
      const { rowCount } = await client.query(
        `SELECT FROM pg_stat_activity WHERE datname = $1 AND application_name = 'migrate'`,
        [database],
      );
      return rowCount === 0;
    }, 10_000);
  });
});

describe('a deployment that is rolled back', () => {
  it('finds the ledger ahead, and goes on where that is compatible', async () => {
    await file(
      `${after(1)}_next.sql`,
      `-- compatible-from: ${schemaVersion}\nSET LOCAL ROLE torghut_owner;\nALTER TABLE strategies ADD COLUMN next text;\n`,
    );
    await file(`${after(2)}_last.sql`, `-- compatible-from: ${schemaVersion}\nSET LOCAL ROLE torghut_owner;\n`);
    expect((await deploy()).status).toBe('SUCCESS');
    const client = await superuser();
    const before = await schemaOf(client);
    await rm(join(migrations, `${after(1)}_next.sql`));
    await rm(join(migrations, `${after(2)}_last.sql`));
    const { status, reason } = await deploy();
    expect(status, reason).toBe('SUCCESS');
    expect(reason).toContain(
      `no migration to apply: the database is at schema version ${after(2)}, ahead of this release (${schemaVersion}) and compatible with it;`,
    );
    expect(await schemaOf(client)).toEqual(before);
  });
});
