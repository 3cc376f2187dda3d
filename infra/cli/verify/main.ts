import { say } from './evidence-command.ts';
import { verify } from './verify.ts';

say(await verify(process.argv.slice(2)));
