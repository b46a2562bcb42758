import type { ServerResponse } from 'node:http';
import type { Clock } from '@holdfast/env';

/** Answers that may wait for the end of the turn: few enough that clients and server go on beside each other. */
const MOST_WAITING = 8;

/**
 * Ends small answers together, when the turn of the event loop ends or `MOST_WAITING` of them wait. Why: to send to a
 * client that sleeps is to wake it, and clients share processes and network cards: of answers that leave one after the
 * other only the first pays for that. Sent one by one, between them the work of a request, it was a third of a small
 * object's read.
 */
export class SmallAnswers {
  readonly #clock: Pick<Clock, 'turn'>;
  #waiting: Answer[] = [];
  #isTurnAwaited = false;

  constructor(clock: Pick<Clock, 'turn'>) {
    this.#clock = clock;
  }

  /** Ends the answer, whose head is written, with a body of one byte a character: in this turn, or when it ends. */
  end(res: ServerResponse, body: string): void {
    this.#waiting.push({ res, body });
    if (this.#waiting.length >= MOST_WAITING) this.#send();
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    void this.#clock.turn().then(() => {
      this.#isTurnAwaited = false;
      this.#send();
    });
  }

  #send(): void {
    const answers = this.#waiting;
    this.#waiting = [];
    for (const { res, body } of answers) res.end(body, 'latin1');
  }
}

interface Answer {
  readonly res: ServerResponse;
  readonly body: string;
}
