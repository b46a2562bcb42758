/**
 * Linearizable reads (section 6.4 of the thesis): all that come within a turn share one question to the leader, and are
 * served here once this node has applied the index that it confirmed.
 *
 * Safety: a read joins only a question that is asked after it began; a question that is not confirmed is asked again, as a
 * new one.
 */
import type { Clock } from '@holdfast/env';
import { KvError } from '@holdfast/kv';
import type { Raft, ReadOutcome } from '@holdfast/raft';

/** Questions under way at once; what comes meanwhile shares the next. */
const ROUNDS_IN_FLIGHT = 4;

export interface ReadRoundsOptions {
  readonly clock: Clock;
  readonly waitLimitMs: number;
  readonly waitTotalMs: number;
  readonly appliedIndex: () => number;
  /** There is something to ask. */
  readonly onWaiting: () => void;
}

interface Round {
  readonly settled: PromiseWithResolvers<void>;
  readonly startedMs: number;
  /** Confirmed: served when this is applied. */
  index: number | undefined;
}

export class ReadRounds {
  readonly #options: ReadRoundsOptions;
  /** Not asked yet, or to be asked again. The last one may be joined. */
  #waiting: Round[] = [];
  #joinable: Round | undefined;
  readonly #asked = new Map<number, Round>();
  /** Confirmed, and not yet applied. */
  #confirmed: Round[] = [];

  constructor(options: ReadRoundsOptions) {
    this.#options = options;
  }

  /** Resolves when this node's state holds everything that was committed when it was called. KV_UNAVAILABLE. */
  join(): Promise<void> {
    if (this.#joinable === undefined) {
      const settled = Promise.withResolvers<void>();
      // Who joined sees to it; where nobody did any more, it is no unhandled one.
      settled.promise.catch(() => undefined);
      const startedMs = this.#options.clock.monotonicMs();
      this.#joinable = { settled, startedMs, index: undefined };
      this.#waiting.push(this.#joinable);
      this.#options.onWaiting();
    }
    return this.#joinable.settled.promise;
  }

  /** Asks what waits; called once a turn. */
  ask(raft: Raft): void {
    while (this.#waiting.length > 0 && this.#asked.size < ROUNDS_IN_FLIGHT) {
      const result = raft.requestRead();
      if (!result.accepted) return;
      const round = this.#waiting.shift() as Round;
      if (round === this.#joinable) this.#joinable = undefined;
      this.#asked.set(result.readId, round);
    }
  }

  note(outcome: ReadOutcome): void {
    const round = this.#asked.get(outcome.readId);
    if (round === undefined) return;
    this.#asked.delete(outcome.readId);
    if (outcome.confirmed) {
      round.index = outcome.index;
      this.#confirmed.push(round);
      this.applied();
    } else {
      this.#waiting.unshift(round);
    }
    if (this.#waiting.length > 0) this.#options.onWaiting();
  }

  /** More was applied. */
  applied(): void {
    if (this.#confirmed.length === 0) return;
    const appliedIndex = this.#options.appliedIndex();
    this.#confirmed = this.#confirmed.filter((round) => {
      if ((round.index ?? 0) > appliedIndex) return true;
      round.settled.resolve();
      return false;
    });
  }

  /** Gives up what has waited too long. `quietSinceMs`: when this node last applied something. */
  expire(quietSinceMs: number): void {
    const { clock, waitLimitMs, waitTotalMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const isLate = ({ startedMs, index }: Round): boolean => {
      // Why: what is confirmed only waits for this node's own progress.
      const sinceMs = index === undefined ? startedMs : Math.max(startedMs, quietSinceMs);
      return nowMs - sinceMs >= waitLimitMs || nowMs - startedMs >= waitTotalMs;
    };
    this.#reject(isLate, (round) => unconfirmed(nowMs - round.startedMs));
  }

  failAll(error: unknown): void {
    this.#reject(
      () => true,
      () => error,
    );
  }

  #reject(isOver: (round: Round) => boolean, errorOf: (round: Round) => unknown): void {
    const keep = (round: Round): boolean => {
      if (!isOver(round)) return true;
      if (round === this.#joinable) this.#joinable = undefined;
      round.settled.reject(errorOf(round));
      return false;
    };
    this.#waiting = this.#waiting.filter(keep);
    this.#confirmed = this.#confirmed.filter(keep);
    for (const [readId, round] of this.#asked) if (!keep(round)) this.#asked.delete(readId);
  }
}

function unconfirmed(waitedMs: number): KvError {
  return new KvError(
    'KV_UNAVAILABLE',
    `no leader confirmed for ${Math.round(waitedMs)} ms that this node is up to date; try again`,
  );
}
