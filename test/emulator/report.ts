import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Claim, ClaimFailed } from './claim.ts';

export interface ClaimResult {
  readonly title: string;
  readonly passed: boolean;
  readonly seconds: number;
  readonly detail: string | null;
}

const elapsed = (since: number): number => Math.round((performance.now() - since) / 10) / 100;

/** What the run did and found, printed as it happens, kept for the file of figures. */
export class Report {
  readonly #startedAt = performance.now();
  readonly #claims: ClaimResult[] = [];
  readonly #figures: Record<string, unknown> = {};

  line(text: string): void {
    const at = elapsed(this.#startedAt).toFixed(1).padStart(6);
    process.stdout.write(`${at} s  ${text}\n`);
  }

  figure(name: string, value: unknown): void {
    this.#figures[name] = value;
  }

  /** Does something that is no claim itself, and says how long it took. */
  async step<T>(text: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const result = await work();
    this.line(`${text} (${elapsed(startedAt)} s)`);
    return result;
  }

  /** @throws ClaimFailed when the claim does not hold */
  async prove({ title, prove }: Claim): Promise<void> {
    const startedAt = performance.now();
    try {
      const detail = (await prove()) ?? null;
      this.#claims.push({ title, passed: true, seconds: elapsed(startedAt), detail });
      this.line(`ok      ${title}${detail === null ? '' : `: ${detail}`}`);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#claims.push({ title, passed: false, seconds: elapsed(startedAt), detail });
      this.line(`FAILED  ${title}`);
      if (error instanceof ClaimFailed)
        process.stdout.write(`  expected: ${error.expected}\n  found: ${error.found.replaceAll('\n', '\n    ')}\n`);
      throw error;
    }
  }

  /** The last line of the run. */
  end(): void {
    const passed = this.#claims.filter((claim) => claim.passed).length;
    this.line(`${passed} passed, ${this.#claims.length - passed} failed`);
  }

  async write(file: string): Promise<void> {
    const document = { seconds: elapsed(this.#startedAt), ...this.#figures, claims: this.#claims };
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${JSON.stringify(document, null, 2)}\n`);
  }
}
