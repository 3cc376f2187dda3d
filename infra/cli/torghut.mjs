#!/usr/bin/env node
import { fileURLToPath } from 'node:url';

import { runOnProjectNode } from './project-node.mjs';

runOnProjectNode(fileURLToPath(new URL('torghut.ts', import.meta.url)), process.argv.slice(2));
