import { toHex } from '@holdfast/bytes';
import type { Clock, Timer } from '@holdfast/env';
import type { KvStore } from '@holdfast/kv';
import type { Log } from '../log.ts';
import { userVersions } from './user-store.ts';

/** After a node has stored users, the others know them within this. */
const INTERVAL_MS = 5_000;

export interface UserWatchOptions {
  readonly kv: KvStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Reads all users anew. */
  readonly reload: () => Promise<void>;
  /** For tests. Default 5 s. */
  readonly intervalMs?: number;
}

/** Looks again and again whether another node has stored users, and has them read if so. */
export class UserWatch {
  readonly #options: UserWatchOptions;
  #seen: string | undefined;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: UserWatchOptions) {
    this.#options = options;
  }

  /** Does nothing after `stop`. */
  start(): void {
    this.#schedule();
  }

  /** No further look; resolves when the one that runs has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { clock, intervalMs = INTERVAL_MS } = this.#options;
    this.#timer = clock.setTimer(intervalMs, () => {
      this.#running = this.#look().finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    const { kv, log, reload } = this.#options;
    try {
      const versions = await userVersions(kv);
      const now = versions.map(({ key, version }) => `${toHex(key)}:${version}`).join();
      if (now === this.#seen) return;
      // Before the reload: what is stored during it is seen by the next look.
      await reload();
      this.#seen = now;
    } catch (error) {
      if (!this.#isStopped) log.debug({ error }, 'the users could not be read, will be repeated');
    }
  }
}
