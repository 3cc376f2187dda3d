import { say } from '../verify/evidence-command.ts';
import { replay } from './replay.ts';

say(await replay(process.argv.slice(2)));
