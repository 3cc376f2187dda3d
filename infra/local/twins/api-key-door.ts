import type { TwinAnswer } from './faults.ts';
import type { Route } from './http-twin.ts';

/** Who may ask a service of our own: anybody until a key is set. A new key replaces the old one at once. */
export class ApiKeyDoor {
  #key: string | null;

  constructor(key: string | null) {
    this.#key = key;
  }

  setKey(key: string | null): void {
    this.#key = key;
  }

  /** The route behind the door. */
  guard<Operation extends string>(route: Route<Operation>, refusal: TwinAnswer): Route<Operation> {
    return {
      ...route,
      handle: (request) =>
        this.#key === null || request.headers['authorization'] === `Bearer ${this.#key}`
          ? route.handle(request)
          : refusal,
    };
  }
}
