import { logIndex } from '@holdfast/bytes';
import type { StateSlots, WalState } from './state-slots.ts';

type Change = Partial<WalState>;

interface Save {
  readonly once: boolean;
  readonly change: Change;
  /** As far as the log was durable when it was asked for; undefined where it says nothing of that. */
  readonly durableIndex: number | undefined;
  readonly settled: PromiseWithResolvers<void>;
}

/** A state, and the hint of it as it is written: never above what is durable. */
interface Pending {
  readonly state: WalState;
  readonly durableCommitIndex: number;
}

/**
 * Saves the state, one write at a time; saves that come while one is in flight share the next.
 *
 * What was asked for is `current` at once, since a later save builds on it; whoever must not act before
 * it is durable waits for the promise. What could not be saved is taken out of it again.
 */
export class StateSaver {
  readonly #slots: StateSlots;
  /** Written last. */
  #saved: Pending;
  #asked: Pending;
  #waiting: Save[] = [];
  #saving: Promise<void> | undefined;

  constructor(slots: StateSlots, current: WalState) {
    this.#slots = slots;
    this.#saved = { state: current, durableCommitIndex: current.hardState.commitIndex };
    this.#asked = this.#saved;
  }

  get current(): WalState {
    return this.#asked.state;
  }

  save(change: Change, durableIndex?: number): Promise<void> {
    return this.#enqueue({ once: false, change, durableIndex });
  }

  /**
   * Saves what tells damage from a crash, in one slot. The newest segment: when it is durable under its name, and
   * before a record in it is acknowledged. The durable index: when the log is closed.
   */
  saveOnce(change: Partial<Pick<WalState, 'newest' | 'durableIndex'>>): Promise<void> {
    return this.#enqueue({ once: true, change, durableIndex: undefined });
  }

  async close(): Promise<void> {
    await this.#saving;
    await this.#slots.close();
  }

  #enqueue(asked: Omit<Save, 'settled'>): Promise<void> {
    const save = { ...asked, settled: Promise.withResolvers<void>() };
    this.#asked = after(this.#asked, save);
    this.#waiting.push(save);
    this.#saving ??= this.#run();
    return save.settled.promise;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const saves = this.#waiting;
      this.#waiting = [];
      const written = this.#asked;
      const { hardState } = written.state;
      const commitIndex = logIndex(written.durableCommitIndex);
      const state = { ...written.state, hardState: { ...hardState, commitIndex } };
      try {
        if (saves.every(({ once }) => once)) await this.#slots.saveOnce(state);
        else await this.#slots.save(state);
        this.#saved = written;
        for (const { settled } of saves) settled.resolve();
      } catch (error) {
        // Safety: who asks for the same again must not be told that it is there.
        this.#asked = this.#waiting.reduce(after, this.#saved);
        for (const { settled } of saves) settled.reject(error);
      }
    }
    this.#saving = undefined;
  }
}

function after({ state, durableCommitIndex }: Pending, { change, durableIndex }: Save): Pending {
  const { firstIndex = state.firstIndex } = change;
  const changed = { ...state, ...change };
  // Safety: what one of two releases at once has given up may be removed before the other is saved.
  const next =
    firstIndex < state.firstIndex
      ? { ...changed, firstIndex: state.firstIndex, termBefore: state.termBefore }
      : changed;
  if (durableIndex === undefined) return { state: next, durableCommitIndex };
  const { commitIndex } = next.hardState;
  return { state: next, durableCommitIndex: Math.min(commitIndex, durableIndex) };
}
