import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readTemplates, type Template } from '../../../infra/local/cloud-assembly.ts';
import type { Standing } from './trading-day.ts';

type Resource = Template['Resources'][string];
const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..', '..');

/** Templates of the paper environment with the settings a stranger starts with: a network and a database of its own. */
export const renderTemplates = async (): Promise<readonly Template[]> => {
  const output = await mkdtemp(join(tmpdir(), 'torghut-standing-'));
  try {
    await run(process.execPath, ['infra/app.ts'], { cwd: root, env: { ...process.env, CDK_OUTDIR: output } });
    return readTemplates(output, 'paper');
  } finally {
    await rm(output, { recursive: true, force: true });
  }
};

/** Metrics that an alarm is charged for: each one it reads, computed ones excluded. */
const metricsOfAlarm = ({ Properties }: Resource): number => {
  const metrics = Properties['Metrics'];
  if (!Array.isArray(metrics)) return 1;
  return metrics.filter((metric: object) => 'MetricStat' in metric).length;
};

const leastCapacity = ({ Properties }: Resource): number =>
  (Properties['ServerlessV2ScalingConfiguration'] as { readonly MinCapacity?: number } | undefined)?.MinCapacity ?? 0;

/** What of the templates costs by standing there. */
export const standingOf = (templates: readonly Template[]): Standing & { readonly secrets: number } => {
  const resources = templates.flatMap(({ Resources }) => Object.values(Resources));
  const ofType = (type: string): readonly Resource[] => resources.filter(({ Type }) => Type === type);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    alarmMetrics: sum(ofType('AWS::CloudWatch::Alarm').map(metricsOfAlarm)),
    compositeAlarms: ofType('AWS::CloudWatch::CompositeAlarm').length,
    dashboards: ofType('AWS::CloudWatch::Dashboard').length,
    keys: ofType('AWS::KMS::Key').length,
    databaseCapacity: sum(ofType('AWS::RDS::DBCluster').map(leastCapacity)),
    databaseProxies: ofType('AWS::RDS::DBProxy').length,
    natGateways: ofType('AWS::EC2::NatGateway').length,
    secrets: ofType('AWS::SecretsManager::Secret').length,
  };
};
