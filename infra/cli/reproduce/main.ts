import { say } from '../verify/evidence-command.ts';
import { reproduce } from './reproduce.ts';

say(await reproduce(process.argv.slice(2)));
