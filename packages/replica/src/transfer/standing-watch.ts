import type { RaftStatus } from '@holdfast/raft';
import { Asking, type AskingOptions, isRemoved } from './rejoining.ts';
import type { MemberRole } from './transfer-codec.ts';

export interface StandingWatchOptions extends AskingOptions {
  /** Of this folder. */
  readonly incarnation: string;
  readonly status: () => RaftStatus | undefined;
  /** A member has answered what this node is, which had asked with this status. */
  readonly onAnswer: (asked: RaftStatus, role: MemberRole) => void;
}

/** Without a leader for so long a node asks what it is. An election takes less where a majority is there. */
const QUIET_LIMIT_MS = 5000;
/** The same for a node that was told already that it is no member. */
const TOLD_LIMIT_MS = 60_000;
const LOOK_MS = 1000;

/**
 * Sees to it that a node hears of it that it was taken out while it was away: the members do not speak to it, so it asks them
 * (ADR 0039). Who has no log waits to be taken in, and asks nobody.
 */
export class StandingWatch {
  readonly #options: StandingWatchOptions;
  readonly #asking: Asking;
  /** When a leader was known last, or this began; by the monotonic clock, in milliseconds. */
  #quietSinceMs = 0;

  constructor(options: StandingWatchOptions) {
    this.#options = options;
    this.#asking = new Asking(options);
  }

  start(): void {
    this.#quietSinceMs = this.#options.clock.monotonicMs();
    this.#asking.repeat(LOOK_MS, () => this.#look());
  }

  /** Resolves when nothing of it runs. Idempotent. */
  async stop(): Promise<void> {
    await this.#asking.stop();
  }

  async #look(): Promise<false> {
    const { clock, status } = this.#options;
    const now = status();
    const isQuiet = now !== undefined && now.leaderId === undefined && now.lastIndex > 0;
    if (isQuiet) {
      const limitMs = now.toldStanding === 'none' ? TOLD_LIMIT_MS : QUIET_LIMIT_MS;
      if (clock.monotonicMs() - this.#quietSinceMs < limitMs) return false;
      await this.#ask(now);
    }
    this.#quietSinceMs = clock.monotonicMs();
    return false;
  }

  async #ask(now: RaftStatus): Promise<void> {
    const { incarnation, onAnswer } = this.#options;
    const { lastIndex, lastTerm } = now;
    const question = { type: 'standing', incarnation, lastIndex, lastTerm } as const;
    await this.#asking
      .ask(question)
      .catch((error: unknown) => {
        if (isRemoved(error)) return 'none' as const;
        throw error;
      })
      .then((role) => onAnswer(now, role))
      // Who does not know it is asked again. And a node that is being closed need not hear it.
      .catch(() => undefined);
  }
}
