/**
 * Brings queued events to their targets: at least once, in the order of the commits, one request to a target at a time. A
 * target that fails is tried again with growing pauses, and holds up no other.
 *
 * Safety: an event is acknowledged after the target has answered 2xx. A crash in between sends it again.
 */
import type { Clock, Timer } from '@holdfast/env';
import type { EventQueue } from '@holdfast/objects';
import type { Log } from '../log.ts';
import { eventMessage } from './event-message.ts';
import type { TargetTable } from './target-table.ts';
import type { SendEvents, Webhook } from './webhook.ts';

/** Events of one request. */
const BATCH = 100;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** Between two counts of a queue that has events, and two looks into one that nobody told of. */
const LOOK_MS = 1_000;
/** Events that may wait for one target. */
const EVENT_QUEUE_LIMIT = 100_000;

export interface EventDeliveryOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: EventQueue;
  readonly webhooks: readonly Webhook[];
  readonly targets: TargetTable;
  readonly region: string;
  /** Whether this node is the one that delivers. */
  readonly leads: () => boolean;
  readonly send: SendEvents;
  /** Default 100,000. */
  readonly queueLimit?: number | undefined;
}

export class EventDelivery {
  readonly #lanes: readonly DeliveryLane[];

  constructor(options: EventDeliveryOptions) {
    this.#lanes = options.webhooks.map((webhook) => new DeliveryLane(webhook, options));
  }

  /** Something was committed: queues may have events. */
  wake(): void {
    for (const lane of this.#lanes) lane.wake();
  }

  /** Ends when the requests under way are cut. Events stay queued. */
  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.stop()));
  }
}

class DeliveryLane {
  readonly #webhook: Webhook;
  readonly #options: EventDeliveryOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined;
  /** Whether a wake ends the pause: it does not where the target is to be left alone. */
  #isIdle = false;
  #woken = false;
  #failures = 0;
  #countedMs = Number.NEGATIVE_INFINITY;

  constructor(webhook: Webhook, options: EventDeliveryOptions) {
    this.#webhook = webhook;
    this.#options = options;
    this.#running = this.#run();
  }

  wake(): void {
    this.#woken = true;
    if (this.#isIdle) this.#pause?.end();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pause?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#woken = false;
      const pauseMs = await this.#deliver();
      if (pauseMs === undefined) continue;
      await this.#wait(pauseMs);
    }
  }

  /** One request; how long to wait before the next, undefined for not at all. */
  async #deliver(): Promise<number | undefined> {
    const { queue, region, send, leads, log } = this.#options;
    const { name } = this.#webhook;
    if (!leads()) {
      this.#failures = 0;
      // Why here too: writes at this node queue events as well, and are told here when they must not.
      await this.#count(BATCH).catch(() => undefined);
      return LOOK_MS;
    }
    try {
      const events = await queue.oldest(name, BATCH);
      await this.#count(events.length);
      if (events.length === 0) {
        // Also where another node has delivered them.
        this.#failures = 0;
        return LOOK_MS;
      }
      await send(this.#webhook, eventMessage(events, region), this.#stopping.signal);
      await queue.acknowledge(events);
      this.#failures = 0;
      return undefined;
    } catch (error) {
      if (this.#stopping.signal.aborted) return undefined;
      const failures = ++this.#failures;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
      log.warn(
        { webhook: name, failures, pauseMs, reason: reasonOf(error) },
        'events could not be delivered',
      );
      return pauseMs;
    }
  }

  /** Tells whether the queue is full, once a second at most where it has events. */
  async #count(oldestCount: number): Promise<void> {
    const { clock, queue, targets, queueLimit = EVENT_QUEUE_LIMIT } = this.#options;
    const nowMs = clock.monotonicMs();
    if (oldestCount < BATCH && oldestCount < queueLimit) {
      return targets.setWaiting(this.#webhook.name, oldestCount, queueLimit);
    }
    if (nowMs - this.#countedMs < LOOK_MS) return;
    this.#countedMs = nowMs;
    const count = await queue.count(this.#webhook.name, queueLimit);
    targets.setWaiting(this.#webhook.name, count, queueLimit);
  }

  /** Pauses. While the target is to be left alone its queue is still counted, so that it stays bounded. */
  async #wait(pauseMs: number): Promise<void> {
    this.#isIdle = this.#failures === 0;
    let restMs = pauseMs;
    while (restMs > 0 && !this.#stopping.signal.aborted && !(this.#isIdle && this.#woken)) {
      const stepMs = Math.min(restMs, LOOK_MS);
      restMs -= stepMs;
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.setTimer(stepMs, () => this.#pause?.end());
        this.#pause = {
          timer,
          end: () => {
            timer.cancel();
            this.#pause = undefined;
            resolve();
          },
        };
      });
      if (!this.#isIdle) await this.#count(BATCH).catch(() => undefined);
    }
  }
}

/** With what is behind it: the client of HTTP itself says no more than that a fetch failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Of a name with several addresses.
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  const texts = [error.message, cause === undefined ? '' : reasonOf(cause)];
  return texts.filter((text) => text !== '').join(': ');
}
