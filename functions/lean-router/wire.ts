import { routerPorts, type Environment, type Overrides, type RouterPorts } from '@torghut/platform';

/** The ports of the LEAN router from its environment. */
export const wire = (environment: Environment, overrides: Overrides = {}): Promise<RouterPorts> =>
  routerPorts('lean', environment, overrides);
