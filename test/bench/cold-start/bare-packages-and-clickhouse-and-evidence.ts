/** The packages that functions with ClickHouse and evidence load, bundled as ours are and with nothing of ours around them. */
export * from './bare-packages-and-clickhouse.ts';
export * from './bare-packages-and-evidence.ts';
