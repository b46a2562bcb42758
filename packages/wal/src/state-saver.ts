import { logIndex } from '@holdfast/bytes';
import type { StateSlots, WalState } from './state-slots.ts';
import type { HardState } from './wal.ts';

interface Save {
  readonly once: boolean;
  readonly settled: PromiseWithResolvers<void>;
}

/**
 * Saves the state, one write at a time; saves that come while one is in flight share the next.
 *
 * What was asked for is `current` at once, since a later save builds on it; whoever must not act before
 * it is durable waits for the promise.
 */
export class StateSaver {
  readonly #slots: StateSlots;
  #current: WalState;
  /** The hint as it is written: never above what is durable. */
  #durableCommitIndex: number;
  #waiting: Save[] = [];
  #saving: Promise<void> | undefined;

  constructor(slots: StateSlots, current: WalState) {
    this.#slots = slots;
    this.#current = current;
    this.#durableCommitIndex = current.hardState.commitIndex;
  }

  get current(): WalState {
    return this.#current;
  }

  save(change: Partial<WalState>, durableIndex?: number): Promise<void> {
    this.#current = { ...this.#current, ...change };
    if (durableIndex !== undefined) {
      this.#durableCommitIndex = Math.min(this.#current.hardState.commitIndex, durableIndex);
    }
    return this.#enqueue(false);
  }

  /**
   * Saves what tells damage from a crash, in one slot. The newest segment: when it is durable under its name, and
   * before a record in it is acknowledged. The durable index: when the log is closed.
   */
  saveOnce(change: Partial<Pick<WalState, 'newest' | 'durableIndex'>>): Promise<void> {
    this.#current = { ...this.#current, ...change };
    return this.#enqueue(true);
  }

  async close(): Promise<void> {
    await this.#saving;
    await this.#slots.close();
  }

  #enqueue(once: boolean): Promise<void> {
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ once, settled });
    this.#saving ??= this.#run();
    return settled.promise;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const saves = this.#waiting;
      this.#waiting = [];
      const hardState: HardState = {
        ...this.#current.hardState,
        commitIndex: logIndex(this.#durableCommitIndex),
      };
      try {
        const state = { ...this.#current, hardState };
        if (saves.every(({ once }) => once)) await this.#slots.saveOnce(state);
        else await this.#slots.save(state);
        for (const { settled } of saves) settled.resolve();
      } catch (error) {
        for (const { settled } of saves) settled.reject(error);
      }
    }
    this.#saving = undefined;
  }
}
