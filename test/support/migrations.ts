import { resolve } from 'node:path';

export const postgresMigrations = resolve(import.meta.dirname, '../../migrations/postgres');
export const clickHouseMigrations = resolve(import.meta.dirname, '../../migrations/clickhouse');

/** Migrated once per run; each test file gets a copy. */
export const templateDatabase = 'torghut_template';
