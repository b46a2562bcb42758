import type { Address, Clock, Network } from '@holdfast/env';
import { ReplicaError } from '../errors.ts';
import { ImageSource } from './image-client.ts';
import { Pause } from './pause.ts';
import type { MemberQuestion, MemberRole } from './transfer-codec.ts';

export interface AskingOptions {
  readonly network: Network;
  readonly clock: Clock;
  /** Other members, and where they are. */
  readonly sources: () => readonly { readonly nodeId: string; readonly address: Address }[];
}

export interface RejoiningOptions extends AskingOptions {
  readonly question: Extract<MemberQuestion, { type: 'enter' }>;
  /** The node is a voter. */
  readonly onVoter: () => Promise<void>;
}

/** Asked thrice: a change of members is agreed on twice, and may have to wait for another one. */
const ANSWER_LIMIT_MS = 5_000;
const RETRY_MS = 500;

/**
 * Asks until a leader has taken this node out; rejects with what the last one said after `limitMs`, and at once with
 * REPLICA_REMOVED.
 */
export async function beTakenOut(options: AskingOptions, limitMs: number): Promise<void> {
  const { clock } = options;
  const untilMs = clock.monotonicMs() + limitMs;
  for (;;) {
    try {
      await new Asking(options).ask({ type: 'leave' });
      return;
    } catch (error) {
      if (isRemoved(error) || clock.monotonicMs() >= untilMs) throw error;
    }
    await clock.sleep(RETRY_MS);
  }
}

/** Asks the leader, whoever that is, again and again to take this node in, until it is a voter. */
export class Rejoining {
  readonly #options: RejoiningOptions;
  readonly #asking: Asking;
  #isAdmitted = false;

  constructor(options: RejoiningOptions) {
    this.#options = options;
    this.#asking = new Asking(options);
  }

  /** Whether the cluster has heard of the new folder. Until then whoever speaks to this node means the old one. */
  get isAdmitted(): boolean {
    return this.#isAdmitted;
  }

  start(): void {
    this.#asking.repeat(RETRY_MS, () => this.#ask());
  }

  /** Resolves when nothing of it runs. Idempotent. */
  async stop(): Promise<void> {
    await this.#asking.stop();
  }

  /** Whether that was all. */
  async #ask(): Promise<boolean> {
    // What is refused is asked again: by then there is a leader, or this node has more.
    const role = await this.#asking.ask(this.#options.question).catch(() => 'none');
    if (role !== 'none') this.#isAdmitted = true;
    if (role !== 'voter') return false;
    await this.#options.onVoter().catch(() => undefined);
    return true;
  }
}

/** Asks all members, one after the other. */
export class Asking {
  readonly #options: AskingOptions;
  readonly #pause: Pause;
  #source: ImageSource | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: AskingOptions) {
    this.#options = options;
    this.#pause = new Pause(options.clock);
  }

  /** Does `round`, which does not reject, until it resolves with true or `stop` is called; `pauseMs` lie between. Called once. */
  repeat(pauseMs: number, round: () => Promise<boolean>): void {
    this.#running = this.#repeat(pauseMs, round);
  }

  /** What the first one answers that can; rejects with what the last one said, where none can or none is reached. */
  async ask(question: MemberQuestion): Promise<MemberRole> {
    const { network, clock, sources } = this.#options;
    let failure: unknown = new Error('there are no other nodes');
    for (const { nodeId, address } of sources()) {
      if (this.#isStopped) break;
      try {
        const answerLimitMs = ANSWER_LIMIT_MS;
        const source = { network, clock, nodeId, address, answerLimitMs };
        this.#source = await ImageSource.connect(source);
        // Who stopped this had nothing to close yet, and waits for it.
        if (this.#isStopped) break;
        return await this.#source.askOfMember(question);
      } catch (error) {
        // That is an answer; others only say that they have none.
        if (isRemoved(error)) throw error;
        failure = error;
      } finally {
        await this.#source?.close();
        this.#source = undefined;
      }
    }
    throw failure;
  }

  /** Resolves when nothing of it runs. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#pause.end();
    await this.#source?.close();
    await this.#running;
  }

  async #repeat(pauseMs: number, round: () => Promise<boolean>): Promise<void> {
    while (!this.#isStopped && !(await round())) await this.#pause.wait(pauseMs);
  }
}

/** Whether a member has said so. */
export function isRemoved(error: unknown): boolean {
  return error instanceof ReplicaError && error.code === 'REPLICA_REMOVED';
}
