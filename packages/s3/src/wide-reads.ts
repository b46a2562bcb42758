/**
 * Reads a large body past Node's HTTP parser, up to 256 KiB at a time into memory that is used again.
 *
 * Why: the parser reads 64 KiB at a time, each acknowledged with a system call's work of its own, and copies them into a new
 * buffer. That was a tenth of the processor time of a large put, and Node has no public way around it for connections that it
 * accepts (`onread` is for those that it makes). So this takes hold of three things inside Node: the socket's handle, what that
 * calls with data, and the parser. All of them are looked at first, and where one is not as in Node 20 to 24 bodies are read
 * as ever. The parser is told of each piece, without getting to copy it, so that it knows where the body ends: what follows,
 * errors, and the end of the connection stay Node's.
 *
 * Invariant: Node reads into `#target` whenever it likes until the connection is closed, so a target is held here for as long, and is
 * never memory that somebody else still reads.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Fits into a core's own cache, so that the copy into a chunk costs little. */
const PIECE_BYTES = 256 * 1024;
/** With less to come there is nothing to gain. */
const LEAST_BYTES = 4 * PIECE_BYTES;
/** What a connection is read into between such bodies. */
const SMALL_BYTES = 16 * 1024;

/** Takes a piece. True: it was taken, and is overwritten; false: it is held, and no other comes, until `goOn`. */
type TakeWide = (piece: Uint8Array) => boolean;

type OnRead = { (this: Handle, data?: ArrayBuffer): Uint8Array | undefined; reads?: WideReads };

/** The part of Node's `TCP` that is used. */
interface Handle {
  /** Called with data, errors and the end; what it returns is read into from then on. */
  onread: OnRead;
  readonly bytesRead: number;
  reading: boolean;
  readStart(): unknown;
  readStop(): unknown;
  useUserBuffer(target: Uint8Array): void;
}

/** The part of Node's `HTTPParser` that is used. */
interface Parser {
  /** At `kOnBody`: what gets a copy of each piece. */
  [event: number]: unknown;
  readonly constructor: { readonly kOnBody: number };
  execute(bytes: Uint8Array): unknown;
}

/** The reads of one connection, from its first large body on. */
export class WideReads {
  readonly #socket: Socket;
  readonly #handle: Handle;
  /** The connection's own until that is closed. */
  readonly #parser: Parser;
  readonly #nodesOnRead: OnRead;
  readonly #small = new Uint8Array(SMALL_BYTES);
  #target: Uint8Array = this.#small;
  #seenBytes: number;
  /** Bytes of the body that are to come from the socket. */
  #leftBytes = 0;
  #take: TakeWide | undefined;
  #held: Uint8Array | undefined;
  /** Pieces that came though one was held: who resumes the stream makes it read once. */
  readonly #waiting: Uint8Array[] = [];
  /** Memory of pieces that were taken. */
  readonly #spare: Uint8Array[] = [];

  /**
   * Whether enough of a body is to come from the socket, and nothing of it waits in a stream. Safety: that would be overtaken,
   * and the parser would not have counted it. Which bytes are left is the caller's to know; NaN: nobody does.
   */
  static isDue({ socket, readableLength }: IncomingMessage, leftBytes: number): boolean {
    if (!(leftBytes >= LEAST_BYTES) || readableLength > 0) return false;
    return socket?.destroyed === false && socket.readableLength === 0;
  }

  /**
   * Gives `take` all `leftBytes` of the request's body that are to come from the socket, until `end`. undefined: `isDue` is false,
   * or Node is not as expected, and the body comes as ever.
   */
  static begin(req: IncomingMessage, leftBytes: number, take: TakeWide): WideReads | undefined {
    if (!WideReads.isDue(req, leftBytes)) return undefined;
    const { socket } = req;
    const { handle, parser } = insideOf(socket);
    if (handle === undefined || parser === undefined) return undefined;
    const reads = handle.onread.reads ?? new WideReads(socket, handle, parser);
    reads.#leftBytes = leftBytes;
    reads.#take = take;
    reads.#startReading();
    return reads;
  }

  private constructor(socket: Socket, handle: Handle, parser: Parser) {
    this.#socket = socket;
    this.#handle = handle;
    this.#parser = parser;
    this.#nodesOnRead = handle.onread;
    // Why: so a connection is taken from the parser by Node itself, which gives that what comes from here on.
    socket.on('data', ignore).off('data', ignore);
    this.#seenBytes = handle.bytesRead;
    const onRead: OnRead = (data) => this.#onRead(data);
    onRead.reads = this;
    handle.onread = onRead;
    handle.useUserBuffer(this.#target);
  }

  /** The piece that was held is done with. */
  goOn(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#keepMemory(held);
    this.#giveWaiting();
    if (this.#held === undefined) this.#startReading();
  }

  /** No more is taken: the parser gets what is still to come, and who reads the request. */
  end(): void {
    this.#leftBytes = 0;
    this.#take = undefined;
    this.#held = undefined;
    this.#waiting.length = 0;
    this.#spare.length = 0;
    this.#startReading();
  }

  #onRead(data: ArrayBuffer | undefined): Uint8Array | undefined {
    const count = this.#handle.bytesRead - this.#seenBytes;
    // An error, or the end.
    if (count === 0) return this.#nodesOnRead.call(this.#handle, data);
    this.#seenBytes += count;
    // As Node does, so that the connection is not taken for idle.
    const { timeout } = this.#socket;
    if (timeout !== undefined && timeout > 0) this.#socket.setTimeout(timeout);
    const piece = this.#target.subarray(0, count);
    if (this.#leftBytes > 0) this.#takePiece(piece);
    else this.#passOn(piece);
    this.#target = this.#nextTarget();
    return this.#target;
  }

  /** Invariant: no longer than what is left, so that nothing of the next request is read into it. */
  #nextTarget(): Uint8Array {
    if (this.#leftBytes === 0) return this.#small;
    const memory = this.#spare.pop() ?? new Uint8Array(PIECE_BYTES);
    return memory.subarray(0, Math.min(memory.length, this.#leftBytes));
  }

  #takePiece(piece: Uint8Array): void {
    this.#leftBytes -= piece.length;
    this.#tellParser(piece);
    this.#waiting.push(piece);
    this.#giveWaiting();
    if (this.#held !== undefined) this.#stopReading();
  }

  /**
   * Has the parser count the piece. Without a listener for bodies it does not copy it. Safety: where it did not count it, what
   * follows would be taken for something that it is not, so the connection is cut.
   */
  #tellParser(piece: Uint8Array): void {
    const parser = this.#parser;
    const { kOnBody } = parser.constructor;
    const onBody = parser[kOnBody];
    parser[kOnBody] = undefined;
    try {
      if (parser.execute(piece) !== piece.length) {
        this.#socket.destroy(new Error("Node's HTTP parser did not take a piece of a body"));
      }
    } finally {
      parser[kOnBody] = onBody;
    }
  }

  #giveWaiting(): void {
    while (this.#held === undefined) {
      const piece = this.#waiting.shift();
      if (piece === undefined) return;
      if (this.#take?.(piece) === false) this.#held = piece;
      else this.#keepMemory(piece);
    }
  }

  #keepMemory({ buffer }: Uint8Array): void {
    if (buffer.byteLength === PIECE_BYTES) this.#spare.push(new Uint8Array(buffer));
  }

  /** What Node does with data that no buffer was given for. */
  #passOn(piece: Uint8Array): void {
    if (!this.#socket.push(piece.slice())) this.#stopReading();
  }

  #startReading(): void {
    if (this.#handle.reading || this.#socket.destroyed) return;
    this.#handle.reading = true;
    this.#handle.readStart();
  }

  #stopReading(): void {
    this.#handle.reading = false;
    this.#handle.readStop();
  }
}

/** What is used of a socket's inside; each undefined where it is not as expected. */
function insideOf(socket: Socket): { readonly handle?: Handle; readonly parser?: Parser } {
  const { _handle: handle, parser } = socket as { _handle?: unknown; parser?: unknown };
  if ('encrypted' in socket) return {};
  return { ...(isHandle(handle) && { handle }), ...(isParser(parser) && { parser }) };
}

function isHandle(value: unknown): value is Handle {
  const { onread, bytesRead, reading, readStart, readStop, useUserBuffer } = (value ??
    {}) as Partial<Handle>;
  const functions = [onread, readStart, readStop, useUserBuffer];
  return (
    functions.every((found) => typeof found === 'function') &&
    typeof bytesRead === 'number' &&
    typeof reading === 'boolean'
  );
}

function isParser(value: unknown): value is Parser {
  const parser = (value ?? {}) as Partial<Parser>;
  const kOnBody = parser.constructor?.kOnBody;
  return (
    typeof parser.execute === 'function' &&
    typeof kOnBody === 'number' &&
    typeof parser[kOnBody] === 'function'
  );
}

function ignore(): void {}
