import { defineConfig } from 'vitest/config';

/** Tests that use a database. Their project starts PostgreSQL and ClickHouse, and only when one of them is to run. */
const databaseTests = [
  'test/functions/**/*.test.ts',
  'test/infra/local/**/*.test.ts',
  'test/integration/**/*.test.ts',
  'test/platform/clickhouse/**/*.test.ts',
  'test/platform/postgres/**/*.test.ts',
  'test/simulation/**/*.test.ts',
];

const setupFiles = ['test/support/fast-check.ts'];

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 20_000,
    maxWorkers: 2,
    // One process for many files: to load the packages once for each of them takes longer than the tests.
    isolate: false,
    projects: [
      { extends: true, test: { name: 'pure', include: ['test/**/*.test.ts'], exclude: databaseTests, setupFiles } },
      {
        extends: true,
        test: {
          name: 'database',
          include: databaseTests,
          setupFiles,
          globalSetup: ['test/support/global-setup-clickhouse.ts', 'test/support/global-setup-postgres.ts'],
        },
      },
    ],
  },
});
