import { collectGarbage } from './collect-garbage.ts';
import { IntentAges } from './intent-ages.ts';
import type { GarbageReport } from './pass-reports.ts';
import type { StoreContext } from './store-context.ts';

/** Runs one pass at a time: who asks for one while it runs gets the next one. */
export class GarbageCollector {
  readonly #context: StoreContext;
  readonly #intentAges: IntentAges;
  #running: Promise<GarbageReport> | undefined;
  #next: Promise<GarbageReport> | undefined;

  constructor(context: StoreContext) {
    this.#context = context;
    this.#intentAges = new IntentAges(context.env.clock);
  }

  /** A pass that begins after this call. */
  run(): Promise<GarbageReport> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  /** A pass that runs ends after its present step, and rejects. */
  async close(): Promise<void> {
    this.#context.sweeper.stop();
    while (this.#running !== undefined) await Promise.allSettled([this.#running]);
  }

  #start(): Promise<GarbageReport> {
    this.#next = undefined;
    const running = collectGarbage(this.#context, this.#intentAges).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
