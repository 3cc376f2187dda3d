// What the CDK command runs, on whatever Node it was started with.
import { fileURLToPath } from 'node:url';

import { runOnProjectNode } from './cli/project-node.mjs';

runOnProjectNode(fileURLToPath(new URL('app.ts', import.meta.url)), []);
