import { toHex } from '@holdfast/bytes';
import type { CipherSeal, Ciphers } from '@holdfast/env';
import { KvError } from '@holdfast/kv';
import type { ByteSpan } from './byte-range.ts';
import { chunkSeals, SEAL_SIZE_BYTES } from './chunk-seals.ts';
import { chunkKey, idOfKey } from './keys.ts';
import type { Lane } from './lane.ts';
import { blobSpans } from './manifest.ts';
import type { ObjectBody } from './object-record.ts';
import type { ViewPin } from './view-pin.ts';

export interface ChunkStreamOptions {
  /** Closed with the stream. */
  readonly pin: ViewPin;
  readonly body: ObjectBody;
  readonly span: ByteSpan;
  /** Closed with the stream. */
  readonly lane: Lane;
  /** Of an encrypted body. */
  readonly encryption: BodyDecryption | undefined;
}

/** What a sealed body is opened with. */
export interface BodyDecryption {
  readonly ciphers: Ciphers;
  readonly dataKey: Uint8Array;
}

/** Bytes [from, to) of one chunk. */
interface Piece {
  readonly key: Uint8Array;
  readonly chunkLength: number;
  readonly from: number;
  readonly to: number;
  readonly seal: CipherSeal | undefined;
}

interface Loaded {
  readonly bytes: Uint8Array;
  readonly buffer: Uint8Array;
}

/**
 * The bytes of a span, chunk by chunk, in pooled buffers; the next chunk is read while the caller uses
 * this one, if there is a spare. May be iterated once. Everything is given back at the end of the
 * span, at an error, at `return` and at `close`, whichever comes first.
 */
export class ChunkStream implements AsyncIterable<Uint8Array> {
  readonly #options: ChunkStreamOptions;
  #current: Loaded | undefined;
  #ahead: Promise<Loaded | undefined> | undefined;
  #closed = false;

  constructor(options: ChunkStreamOptions) {
    this.#options = options;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const pieces = this.#pieces();
    try {
      for (;;) {
        if (this.#closed) throw closedBody();
        const loaded = await this.#next(pieces);
        if (loaded === undefined) return;
        this.#current = loaded;
        this.#readAhead(pieces);
        yield loaded.bytes;
        this.#giveBackCurrent();
      }
    } finally {
      this.close();
    }
  }

  /** Idempotent. The piece handed out last is no longer valid. */
  close(): void {
    this.#closed = true;
    this.#options.pin.close();
    this.#giveBackCurrent();
    this.#options.lane.close();
    const ahead = this.#ahead;
    this.#ahead = undefined;
    // A read that is under way still fills its buffer, so that is given back after it.
    ahead?.then(
      (loaded) => loaded && this.#options.lane.giveBack(loaded.buffer),
      () => {},
    );
  }

  async #next(pieces: AsyncGenerator<Piece, void>): Promise<Loaded | undefined> {
    const ahead = this.#ahead;
    const loaded = await (ahead ?? this.#loadNow(pieces));
    // Only now: `close` gives back what is still ahead.
    if (ahead !== undefined && this.#ahead === undefined) throw closedBody();
    this.#ahead = undefined;
    if (!this.#closed || loaded === undefined) return loaded;
    this.#options.lane.giveBack(loaded.buffer);
    throw closedBody();
  }

  #readAhead(pieces: AsyncGenerator<Piece, void>): void {
    const buffer = this.#options.lane.tryTake();
    if (buffer === undefined) return;
    this.#ahead = this.#load(pieces, buffer);
    // A rejection is seen when it is awaited; until then it must not count as unhandled.
    this.#ahead.catch(() => {});
  }

  async #loadNow(pieces: AsyncGenerator<Piece, void>): Promise<Loaded | undefined> {
    const buffer = this.#options.lane.tryTake();
    // Its own buffer is free now: the last piece was given back, and nothing is read ahead.
    if (buffer === undefined) throw closedBody();
    return await this.#load(pieces, buffer);
  }

  /** Reads the next piece into `buffer`; gives that back where there is none. */
  async #load(
    pieces: AsyncGenerator<Piece, void>,
    buffer: Uint8Array,
  ): Promise<Loaded | undefined> {
    try {
      const next = await pieces.next();
      if (next.done !== true) return { bytes: await this.#read(next.value, buffer), buffer };
    } catch (error) {
      this.#options.lane.giveBack(buffer);
      throw error;
    }
    this.#options.lane.giveBack(buffer);
    return undefined;
  }

  async #read(piece: Piece, buffer: Uint8Array): Promise<Uint8Array> {
    const { key, chunkLength, seal } = piece;
    const stored = chunkLength + (seal === undefined ? 0 : SEAL_SIZE_BYTES);
    // A chunk that an earlier, larger setting wrote gets its own memory.
    const target = stored <= buffer.length ? buffer : new Uint8Array(stored);
    const entry = await this.#options.pin.getInto(key, target);
    if (entry === undefined || entry.valueSizeBytes !== stored) {
      throw new KvError(
        'KV_CORRUPTION',
        `a chunk has ${entry?.valueSizeBytes ?? 'no'} bytes and should have ${stored}`,
      );
    }
    if (seal !== undefined) await this.#open(piece, seal, target.subarray(0, stored));
    return target.subarray(piece.from, piece.to);
  }

  async #open({ key }: Piece, seal: CipherSeal, chunk: Uint8Array): Promise<void> {
    const { ciphers } = this.#options.encryption as BodyDecryption;
    if (!(await ciphers.openInPlace(seal, chunk))) throw doesNotOpen(idOfKey(key));
  }

  async *#pieces(): AsyncGenerator<Piece, void, undefined> {
    const { pin, body, span, encryption } = this.#options;
    for await (const { blob, partNumber, offset, length } of blobSpans(pin, body, span)) {
      const { blobId, chunkSizeBytes, sizeBytes } = blob;
      const seals =
        encryption && chunkSeals(encryption.ciphers, encryption.dataKey, { blobId, partNumber });
      const end = offset + length;
      for (let at = offset; at < end; ) {
        const number = Math.floor(at / chunkSizeBytes);
        const start = number * chunkSizeBytes;
        const chunkLength = Math.min(chunkSizeBytes, sizeBytes - start);
        const to = Math.min(end - start, chunkLength);
        const seal = seals?.(number, start + chunkLength === sizeBytes);
        yield { key: chunkKey(blobId, number), chunkLength, from: at - start, to, seal };
        at = start + to;
      }
    }
  }

  #giveBackCurrent(): void {
    if (this.#current !== undefined) this.#options.lane.giveBack(this.#current.buffer);
    this.#current = undefined;
  }
}

function closedBody(): KvError {
  return new KvError('KV_VIEW_CLOSED', 'the body is closed');
}

/** A chunk whose tag does not verify: it was garbled, cut, or put in another's place, and so was its checksum. */
export function doesNotOpen(blobId: Uint8Array): KvError {
  return new KvError(
    'KV_CORRUPTION',
    `a sealed chunk of blob ${toHex(blobId)} does not open: its bytes are not those that were stored`,
  );
}
