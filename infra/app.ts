import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { readEnvironments, readSettings, SettingsError } from './config.ts';
import { checkedApp } from './constructs/security-checks.ts';
import { TorghutStage } from './torghut-stage.ts';

// Read here, not only by the CDK command, so that `node infra/app.ts` alone renders the same templates.
const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../cdk.json'), 'utf8')) as {
  context: Record<string, unknown>;
};

try {
  const app = checkedApp({ context: manifest.context });
  const context = app.node.getAllContext() as Record<string, unknown>;
  for (const environment of readEnvironments(context)) {
    new TorghutStage(app, `torghut-${environment}`, { settings: readSettings(environment, context, process.env) });
  }
  app.synth();
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  console.error(error.message);
  process.exit(1);
}
