import { second } from '@torghut/domain';
import { fixedCredentials } from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import { openPool, realTimeoutMs } from './database.ts';
import { createLedger, dropLedger, forgetRuns, type DatabaseServer } from './ledger.ts';
import { mutationKey, mutationOf } from './mutations.ts';
import { runSeed, type RunOptions, type RunResult } from './run.ts';
import { databaseOf, rememberedStreams, type SignalServer } from './streams.ts';
import type { Resources } from './world.ts';

/** The servers that all workers share. */
export interface Servers {
  readonly postgres: DatabaseServer;
  readonly clickhouse: SignalServer;
}

/** Runs seeds one after the other, in a database of its own. */
export interface Laboratory {
  readonly run: (options: Omit<RunOptions, 'resources'>) => Promise<RunResult>;
  readonly close: () => Promise<void>;
}

let laboratories = 0;
/**
 * Statements are planned when the tables are empty, some of them with a scan of a whole table: the rows of former seeds
 * make that ever slower. Forgetting has them planned anew, which costs about as much as half a seed.
 */
const seedsUntilForgotten = 40;

export const openLaboratory = async ({ postgres, clickhouse }: Servers): Promise<Laboratory> => {
  laboratories += 1;
  const name = `simulation_${process.pid}_${laboratories}`;
  await createLedger(postgres, name, mutationOf(process.env[mutationKey])?.schema ?? null);
  const address = { ...postgres, name };
  const resources: Resources = {
    app: openPool(address, 'torghut_app'),
    owner: openPool(address, 'torghut_owner'),
    clickhouse: rememberedStreams(
      createClickHouse({
        url: clickhouse.url,
        credentials: fixedCredentials({ username: 'default', password: '' }),
        timeoutSeconds: realTimeoutMs / second,
      }),
    ),
    tables: (stream) => ({
      TRADING_SIGNAL_TABLE: `${databaseOf(clickhouse, stream)}.ta_signals`,
      TRADING_PRICE_TABLE: `${databaseOf(clickhouse, stream)}.ta_microbars`,
    }),
  };
  const known = new Set<number>();
  return {
    run: async (options) => {
      if (known.has(options.seed) || known.size >= seedsUntilForgotten) {
        await forgetRuns(postgres, name);
        known.clear();
      }
      known.add(options.seed);
      return runSeed({ ...options, resources });
    },
    close: async () => {
      await Promise.all([resources.app.end(), resources.owner.end(), resources.clickhouse.close()]);
      await dropLedger(postgres, name);
    },
  };
};
