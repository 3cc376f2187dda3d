import { routerHandler, wiredOnFirstUse } from '@torghut/platform';
import { wire } from './wire.ts';

export const createHandler = routerHandler;

export const handler = wiredOnFirstUse(async () => createHandler(await wire(process.env)));
