import type { Clock, Timer } from '@holdfast/env';
import type { TaskQueue, TaskQueueFactory } from '@holdfast/objects';
import BetterQueue from 'better-queue';
import type { Log } from './log.ts';

export interface TaskQueueOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Tasks of one queue that run at once. Default 2. */
  readonly concurrency?: number;
  /** Runs of one task in all before it is given up. Default 5. */
  readonly attemptLimit?: number;
  /** Pause before the second run; doubles with each further one. Default 100 ms. */
  readonly retryDelayMs?: number;
  /** Tasks that may wait in one queue. Default 10,000. */
  readonly waitingLimit?: number;
}

/** What better-queue stores. */
interface Ticket<Task> {
  readonly id: string;
  readonly task: Task;
  /** Order of pushes, from 1 on. */
  readonly sequence: number;
}

/**
 * `TaskQueueFactory` on better-queue, in memory. A task is lost with the process, and is dropped and logged when
 * the queue is full or the task keeps failing: the object store finds the same work again in its next
 * whole pass, so a task is only ever a way to do it sooner.
 */
export function createTaskQueueFactory(options: TaskQueueOptions): TaskQueueFactory {
  return <Task>(name: string, run: (task: Task) => Promise<void>): TaskQueue<Task> =>
    new BoundedTaskQueue(name, run, options);
}

class BoundedTaskQueue<Task> implements TaskQueue<Task> {
  readonly #name: string;
  readonly #run: (task: Task) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #concurrency: number;
  /** Made for the first task. Why: it starts timers, and most tests have no garbage. */
  #queue: BetterQueue<Ticket<Task>, void> | undefined;
  readonly #attemptLimit: number;
  readonly #retryDelayMs: number;
  readonly #waitingLimit: number;
  /**
   * Which push of each id counts. Why not left to better-queue: it takes a push up only after a timer,
   * so that a task which was replaced at once can run before that; and it counts the failures of an id for ever.
   */
  readonly #latest = new Map<string, number>();
  /** Pauses before another run: the timer and what ends the pause early. */
  readonly #pauses = new Map<Timer, () => void>();
  readonly #idleWaiters: (() => void)[] = [];
  #unsettled = 0;
  #running = 0;
  #lastSequence = 0;
  #closed = false;

  constructor(name: string, run: (task: Task) => Promise<void>, options: TaskQueueOptions) {
    this.#name = name;
    this.#run = run;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#attemptLimit = options.attemptLimit ?? 5;
    this.#retryDelayMs = options.retryDelayMs ?? 100;
    this.#waitingLimit = options.waitingLimit ?? 10_000;
    this.#concurrency = options.concurrency ?? 2;
  }

  push(id: string, task: Task): void {
    if (this.#closed) return;
    if (this.#unsettled - this.#running >= this.#waitingLimit) {
      this.#log.warn({ queue: this.#name, id }, 'background queue is full, task dropped');
      return;
    }
    this.#unsettled += 1;
    this.#queue ??= this.#open();
    const sequence = ++this.#lastSequence;
    this.#latest.set(id, sequence);
    this.#queue.push({ id, task, sequence }, (error) => {
      this.#unsettled -= 1;
      if (error) {
        this.#log.warn({ queue: this.#name, id, error }, 'background task given up');
      }
      this.#wakeWhenIdle();
    });
  }

  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#wakeWhenIdle();
    });
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#queue?.pause();
      for (const [timer, end] of this.#pauses) {
        timer.cancel();
        end();
      }
    }
    await this.idle();
    const queue = this.#queue;
    if (queue) await new Promise<void>((resolve) => queue.destroy(resolve));
  }

  #open(): BetterQueue<Ticket<Task>, void> {
    return new BetterQueue<Ticket<Task>, void>({
      process: (ticket: Ticket<Task>, done: (error?: unknown) => void) => {
        this.#process(ticket).then(() => done(), done);
      },
      id: 'sequence',
      concurrent: this.#concurrency,
      maxRetries: 1,
    });
  }

  async #process(ticket: Ticket<Task>): Promise<void> {
    this.#running += 1;
    try {
      for (let runs = 1; this.#counts(ticket); runs++) {
        try {
          return await this.#run(ticket.task);
        } catch (error) {
          this.#log.debug(
            { queue: this.#name, id: ticket.id, runs, error },
            'background task failed',
          );
          if (runs >= this.#attemptLimit) throw error;
        }
        await this.#pause(this.#retryDelayMs * 2 ** (runs - 1));
      }
    } finally {
      if (this.#counts(ticket)) this.#latest.delete(ticket.id);
      this.#running -= 1;
      this.#wakeWhenIdle();
    }
  }

  /** Whether neither `close` nor a later task with the same id has made this one void. */
  #counts({ id, sequence }: Ticket<Task>): boolean {
    return !this.#closed && this.#latest.get(id) === sequence;
  }

  async #pause(delayMs: number): Promise<void> {
    if (delayMs === 0 || this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(delayMs, () => {
        this.#pauses.delete(timer);
        resolve();
      });
      this.#pauses.set(timer, resolve);
    });
  }

  /** Idle is: nothing runs, and nothing waits or what waits was dropped by `close`. */
  #wakeWhenIdle(): void {
    if (this.#running > 0 || (this.#unsettled > 0 && !this.#closed)) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }
}
