/** The packages that functions with ClickHouse load, bundled as ours are and with nothing of ours around them. */
export * from './bare-packages.ts';
export { createClient } from '@clickhouse/client';
