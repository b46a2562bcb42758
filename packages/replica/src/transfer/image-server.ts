import type { Clock, Connection, Random, Timer } from '@holdfast/env';
import type { PinnedImage, StoreImages } from '@holdfast/kv';
import { KvError } from '@holdfast/kv';
import { ReplicaError } from '../errors.ts';
import { SendPace } from './send-pace.ts';
import type { Answer, MemberQuestion, MemberRole, Question, Refusal } from './transfer-codec.ts';
import { decodeQuestion, encodeAnswer, NO_IMAGE } from './transfer-codec.ts';

export interface ImageServerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly images: StoreImages;
  /** Sent to all receivers together. */
  readonly bytesPerSecond: number;
  /** An image that nobody asks anything of for so long is let go of. */
  readonly leaseMs: number;
  /** Images that are held at once. */
  readonly imageLimit: number;
  /**
   * A node whose files are damaged asks to be taken out, or in anew; one that hears of nobody what it is; one that is not answered
   * says where it is. REPLICA_NOT_LEADER, REPLICA_REMOVED, and what a change is refused with.
   */
  readonly answerMember: (peerId: string, question: MemberQuestion) => Promise<MemberRole>;
  /** Bytes of a question, or a question, that break the rules: the connection is closed. */
  readonly onFault: (peerId: string, error: unknown) => void;
}

interface Held {
  readonly image: PinnedImage;
  readonly peerId: string;
  usedMs: number;
}

/** The bytes of values in one answer, at most: more than any one value has. */
const ANSWER_SIZE_BYTES: number = 2 * 1024 * 1024;

/**
 * Hands this node's state to others, and single values. The questions of a connection are answered one after the other, so
 * memory holds one answer for each. What an image holds back from compaction is let go of when nobody asks any more.
 */
export class ImageServer {
  readonly #options: ImageServerOptions;
  readonly #pace: SendPace;
  readonly #held = new Map<number, Held>();
  readonly #connections = new Map<Connection, Promise<void>>();
  #nextId: number;
  #timer: Timer | undefined;
  #sentBytes = 0;
  #isClosed = false;

  constructor(options: ImageServerOptions) {
    this.#options = options;
    this.#pace = new SendPace(options.clock, options.bytesPerSecond);
    // Why by chance: an id from before a restart is not taken for one of now.
    this.#nextId = 1 + options.random.below(0x4000_0000);
  }

  /** Images held now, and bytes of answers since the start. */
  get counters(): { readonly images: number; readonly sentBytes: number } {
    return { images: this.#held.size, sentBytes: this.#sentBytes };
  }

  /** Answers a peer on its connection of the bulk lane, until it ends. */
  serve(connection: Connection): void {
    if (this.#isClosed) {
      void connection.close();
      return;
    }
    const served = this.#serve(connection).finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
  }

  /** Lets go of everything. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const id of this.#held.keys()) this.#drop(id);
    const served = [...this.#connections.values()];
    await Promise.all([...this.#connections.keys()].map((connection) => connection.close()));
    await Promise.all(served);
  }

  async #serve(connection: Connection): Promise<void> {
    const { peerId } = connection;
    try {
      for (;;) {
        const frames = await connection.receive();
        if (frames === undefined || this.#isClosed) return;
        for (const frame of frames) {
          const { requestId, content } = decodeQuestion(frame);
          const answer = await this.#answer(peerId, content);
          if (answer !== undefined && !(await this.#send(connection, requestId, answer))) return;
        }
      }
    } catch (error) {
      if (!this.#isClosed) this.#options.onFault(peerId, error);
    } finally {
      await connection.close();
    }
  }

  /** Whether the answer is on its way. */
  async #send(connection: Connection, requestId: number, answer: Answer): Promise<boolean> {
    const parts = encodeAnswer(requestId, answer);
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
    await this.#pace.spend(sizeBytes);
    this.#sentBytes += sizeBytes;
    if (connection.send(...parts)) return true;
    // Then half of the queue is free, or the connection has ended.
    await connection.drained();
    return connection.send(...parts);
  }

  async #answer(peerId: string, question: Question): Promise<Answer | undefined> {
    try {
      return await this.#answerWhole(peerId, question);
    } catch (error) {
      return { type: 'refused', refusal: refusalOf(error) };
    }
  }

  async #answerWhole(peerId: string, question: Question): Promise<Answer | undefined> {
    if (question.type === 'open') return this.#open(peerId, question.leastIndex);
    if (isOfMembers(question)) {
      return { type: 'member', role: await this.#options.answerMember(peerId, question) };
    }
    if (question.type === 'close') {
      if (this.#held.get(question.imageId)?.peerId === peerId) this.#drop(question.imageId);
      return undefined;
    }
    if (question.type === 'values' && question.imageId === NO_IMAGE) {
      return { type: 'values', values: await this.#find(question) };
    }
    const held = this.#held.get(question.imageId);
    if (held === undefined || held.peerId !== peerId) {
      return { type: 'refused', refusal: 'NO_IMAGE' };
    }
    held.usedMs = this.#options.clock.monotonicMs();
    if (question.type === 'list') {
      return { type: 'listed', sections: await held.image.list(question.request) };
    }
    checkSize(question);
    return { type: 'values', values: await held.image.values(question.names) };
  }

  /** The image that the peer has already, if that is new enough: it goes on where its connection broke. */
  #open(peerId: string, leastIndex: number): Answer {
    const { clock, images, imageLimit } = this.#options;
    const usedMs = clock.monotonicMs();
    for (const [imageId, held] of this.#held) {
      if (held.peerId !== peerId) continue;
      const { index, term } = held.image;
      held.usedMs = usedMs;
      if (index >= leastIndex) return { type: 'opened', imageId, index, term };
      this.#drop(imageId);
    }
    if (this.#held.size >= imageLimit) return { type: 'refused', refusal: 'BUSY' };
    const image = images.pin();
    if (image.index < leastIndex) {
      image.close();
      return { type: 'refused', refusal: 'BEHIND' };
    }
    const imageId = this.#nextId++;
    this.#held.set(imageId, { image, peerId, usedMs });
    this.#watchLeases();
    return { type: 'opened', imageId, index: image.index, term: image.term };
  }

  async #find(
    question: Extract<Question, { type: 'values' }>,
  ): Promise<(Uint8Array | undefined)[]> {
    checkSize(question);
    const values: (Uint8Array | undefined)[] = [];
    for (const name of question.names) values.push(await this.#options.images.find(name));
    return values;
  }

  #drop(imageId: number): void {
    this.#held.get(imageId)?.image.close();
    this.#held.delete(imageId);
  }

  #watchLeases(): void {
    const { clock, leaseMs } = this.#options;
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = clock.setTimer(leaseMs, () => {
      this.#timer = undefined;
      const nowMs = clock.monotonicMs();
      for (const [imageId, { usedMs }] of this.#held) {
        if (nowMs - usedMs >= leaseMs) this.#drop(imageId);
      }
      if (this.#held.size > 0) this.#watchLeases();
    });
  }
}

function isOfMembers(question: Question): question is MemberQuestion {
  return ['leave', 'enter', 'standing', 'address'].includes(question.type);
}

/** Safety: an answer is in memory as a whole. */
function checkSize({ names }: Extract<Question, { type: 'values' }>): void {
  const sizeBytes = names.reduce((sum, { length }) => sum + length, 0);
  if (sizeBytes > ANSWER_SIZE_BYTES) {
    throw new KvError('KV_INVALID_ARGUMENT', 'too many values are asked for at once');
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof ReplicaError && error.code === 'REPLICA_NOT_LEADER') return 'NOT_LEADER';
  if (error instanceof ReplicaError && error.code === 'REPLICA_REMOVED') return 'REMOVED';
  if (!(error instanceof KvError)) return 'FAILED';
  if (error.code === 'KV_CORRUPTION') return 'DAMAGED';
  if (error.code === 'KV_VIEW_CLOSED') return 'NO_IMAGE';
  return error.code === 'KV_UNAVAILABLE' ? 'BEHIND' : 'FAILED';
}
