import { DatabaseSync } from 'node:sqlite';

/**
 * Opens the file that holds what AWS would keep for us: queues and recorded events. With a write-ahead log, what was
 * committed survives a kill of the process; `synchronous = NORMAL` gives up only what a power cut would lose.
 * @param path a file, or `:memory:`.
 */
export const openLocalDatabase = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000');
  return database;
};

/** Runs `work` in one transaction: all of it happens, or, when it throws, nothing. */
export const inTransaction = <T>(database: DatabaseSync, work: () => T): T => {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
};
