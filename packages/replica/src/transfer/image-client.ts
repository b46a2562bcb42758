import { MalformedBytesError } from '@holdfast/bytes';
import type { Address, Clock, Connection, Network, Timer } from '@holdfast/env';
import type { ImageFeed, ImageSection, ListRequest, ValueName } from '@holdfast/kv';
import { ReplicaError } from '../errors.ts';
import type { Answer, MemberQuestion, MemberRole, Question, Refusal } from './transfer-codec.ts';
import { decodeAnswer, encodeQuestion, NO_IMAGE } from './transfer-codec.ts';

export interface SourceOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly address: Address;
  /** How long nothing is heard before a question is asked again. */
  readonly answerLimitMs: number;
}

/** A question is asked so often, over one connection. */
const ATTEMPTS = 3;

interface Waiting {
  readonly answer: PromiseWithResolvers<Answer>;
  readonly sentMs: number;
  /** When a later question was answered. Answers come in order, so this one is lost, or late. */
  overtakenMs: number | undefined;
  timer: Timer | undefined;
}

/** Another node, asked over a connection of the bulk lane. Every question has a limit in time. */
export class ImageSource {
  readonly #options: SourceOptions;
  readonly #connection: Connection;
  readonly #waiting = new Map<number, Waiting>();
  readonly #reading: Promise<void>;
  #nextId = 1;
  #heardMs = Number.NEGATIVE_INFINITY;
  #failure: ReplicaError | undefined;

  private constructor(options: SourceOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
    this.#reading = this.#read();
  }

  /** REPLICA_TRANSFER_FAILED where the node cannot be reached. */
  static async connect(options: SourceOptions): Promise<ImageSource> {
    const { network, nodeId, address } = options;
    try {
      const connection = await network.connect({ nodeId, address, lane: 'bulk' });
      return new ImageSource(options, connection);
    } catch (cause) {
      throw failed(`${nodeId} cannot be reached`, cause);
    }
  }

  /** An image of the node's state after `leastIndex` or a later one. REPLICA_TRANSFER_FAILED. */
  async open(leastIndex: number): Promise<RemoteImage> {
    const answer = await this.#ask({ type: 'open', leastIndex });
    if (answer.type !== 'opened') throw this.#unexpected(answer);
    if (answer.index < leastIndex) throw failed('an image is older than asked for');
    return new RemoteImage(this, answer);
  }

  /** Values by name, as the node has them now; undefined where it has not. */
  async find(names: readonly ValueName[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.values(NO_IMAGE, names);
  }

  /** What this node is after it: a change is of the leader alone. REPLICA_TRANSFER_FAILED, REPLICA_REMOVED. */
  async askOfMember(question: MemberQuestion): Promise<MemberRole> {
    const answer = await this.#ask(question);
    if (answer.type === 'refused' && answer.refusal === 'REMOVED') {
      throw new ReplicaError('REPLICA_REMOVED', `${this.#options.nodeId} ${SENTENCES.REMOVED}`);
    }
    if (answer.type !== 'member') throw this.#unexpected(answer);
    return answer.role;
  }

  async list(imageId: number, request: ListRequest): Promise<readonly ImageSection[]> {
    const answer = await this.#ask({ type: 'list', imageId, request });
    if (answer.type !== 'listed') throw this.#unexpected(answer);
    return answer.sections;
  }

  async values(
    imageId: number,
    names: readonly ValueName[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const answer = await this.#ask({ type: 'values', imageId, names });
    if (answer.type !== 'values') throw this.#unexpected(answer);
    if (answer.values.length !== names.length) throw failed('values are missing in an answer');
    return answer.values;
  }

  /** Lets the node let go of an image. */
  letGo(imageId: number): void {
    this.#connection.send(encodeQuestion(this.#nextId++, { type: 'close', imageId }));
  }

  /** Idempotent. What is asked rejects. */
  async close(): Promise<void> {
    this.#fail(failed('the connection was closed'));
    await this.#connection.close();
    await this.#reading;
  }

  async #ask(question: Question): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      if (this.#failure !== undefined) throw this.#failure;
      const answer = await this.#askOnce(question);
      if (answer !== undefined) return answer;
      if (attempt === ATTEMPTS) {
        this.#fail(failed(`${this.#options.nodeId} does not answer`));
      }
    }
  }

  /** undefined where no answer came in time, or the question did not leave. */
  async #askOnce(question: Question): Promise<Answer | undefined> {
    const requestId = this.#nextId++;
    const answer = Promise.withResolvers<Answer>();
    const late = Promise.withResolvers<undefined>();
    const sentMs = this.#options.clock.monotonicMs();
    const waiting: Waiting = { answer, sentMs, overtakenMs: undefined, timer: undefined };
    this.#watch(waiting, () => late.resolve(undefined));
    this.#waiting.set(requestId, waiting);
    try {
      if (!this.#connection.send(encodeQuestion(requestId, question))) {
        await Promise.race([this.#connection.drained(), late.promise, answer.promise]);
        return undefined;
      }
      return await Promise.race([answer.promise, late.promise]);
    } finally {
      waiting.timer?.cancel();
      this.#waiting.delete(requestId);
    }
  }

  /** Why not from the question on: what is asked for may stand behind much that is sent slowly. */
  #watch(waiting: Waiting, onLate: () => void): void {
    const { clock, answerLimitMs } = this.#options;
    const heardMs = waiting.overtakenMs ?? Math.max(waiting.sentMs, this.#heardMs);
    const leftMs = heardMs + answerLimitMs - clock.monotonicMs();
    if (leftMs <= 0) onLate();
    else waiting.timer = clock.setTimer(leftMs, () => this.#watch(waiting, onLate));
  }

  #noteHeard(requestId: number): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    for (const [id, waiting] of this.#waiting) {
      if (id < requestId) waiting.overtakenMs ??= this.#heardMs;
    }
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const frames = await this.#connection.receive();
        if (frames === undefined) break;
        for (const frame of frames) {
          const { requestId, content } = decodeAnswer(frame);
          this.#noteHeard(requestId);
          // Answers to what was asked again, or given up, are late.
          this.#waiting.get(requestId)?.answer.resolve(content);
        }
      }
      this.#fail(failed(`${this.#options.nodeId} ended the connection`));
    } catch (cause) {
      const isMalformed = cause instanceof MalformedBytesError;
      const what = isMalformed ? 'sent bytes that are no answer' : 'is lost';
      this.#fail(failed(`${this.#options.nodeId} ${what}`, cause));
    }
    await this.#connection.close();
  }

  #fail(error: ReplicaError): void {
    this.#failure ??= error;
    for (const { answer } of this.#waiting.values()) answer.reject(this.#failure);
  }

  #unexpected(answer: Answer): ReplicaError {
    const { nodeId } = this.#options;
    if (answer.type !== 'refused') return failed(`${nodeId} gave another answer than asked for`);
    return failed(`${nodeId} ${SENTENCES[answer.refusal]}`);
  }
}

const SENTENCES: Readonly<Record<Refusal, string>> = {
  NO_IMAGE: 'has let go of the image',
  BEHIND: 'has an older state itself',
  BUSY: 'gives its state to others already',
  DAMAGED: 'has damage in what was asked for',
  FAILED: 'cannot answer',
  NOT_LEADER: 'does not lead',
  REMOVED: 'leads, and says that this node was removed by hand: it has to be added by hand too',
};

/** Another node's state. */
export class RemoteImage implements ImageFeed {
  readonly index: number;
  readonly term: number;
  readonly #source: ImageSource;
  readonly imageId: number;

  constructor(
    source: ImageSource,
    {
      imageId,
      index,
      term,
    }: { readonly imageId: number; readonly index: number; readonly term: number },
  ) {
    this.#source = source;
    this.imageId = imageId;
    this.index = index;
    this.term = term;
  }

  list(request: ListRequest): Promise<readonly ImageSection[]> {
    return this.#source.list(this.imageId, request);
  }

  async values(names: readonly ValueName[]): Promise<readonly Uint8Array[]> {
    const values = await this.#source.values(this.imageId, names);
    const whole = values.filter((value) => value !== undefined);
    if (whole.length < values.length) throw failed('a value is missing in an answer');
    return whole;
  }

  close(): void {
    this.#source.letGo(this.imageId);
  }
}

function failed(message: string, cause?: unknown): ReplicaError {
  return new ReplicaError('REPLICA_TRANSFER_FAILED', message, { cause, retryable: true });
}
