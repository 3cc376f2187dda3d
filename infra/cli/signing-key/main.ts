import { say } from '../verify/evidence-command.ts';
import { publishKey } from './publish-key.ts';

say(await publishKey(process.argv.slice(2)));
