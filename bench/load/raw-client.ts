import { connect, type Socket } from 'node:net';

/** One answer: its status, and how many body bytes came. */
export interface RawAnswer {
  readonly status: number;
  readonly bodyBytes: number;
}

const HEADER_END = Buffer.from('\r\n\r\n');

/** What a client of Node's reads at once if it says nothing else. */
const READ_SIZE_BYTES: number = 64 * 1024;

/**
 * A keep-alive HTTP/1.1 connection that sends requests already serialised. It parses no more of an
 * answer than its status and Content-Length, so that the generator costs little of the shared cores.
 *
 * Why one buffer for all that comes: a new one for each read, as Node's streams take, costs more than the read itself where the
 * bytes are in the processor's cache, and a large get then measures who asks instead of who answers.
 */
export class RawConnection {
  readonly #socket: Socket;
  readonly #room: Buffer;
  /** What came of a head that is not complete. */
  #head: Buffer | undefined;
  #bodyLeft = 0;
  #bodyBytes = 0;
  #status = 0;
  #settle: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | undefined;

  private constructor(port: number, readSizeBytes: number) {
    this.#room = Buffer.allocUnsafeSlow(readSizeBytes);
    const onread = {
      buffer: this.#room,
      callback: (sizeBytes: number): boolean => {
        this.#receive(sizeBytes);
        return true;
      },
    };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
    this.#socket = socket;
  }

  /** Reads up to `readSizeBytes` at once. */
  static async open(port: number, readSizeBytes: number = READ_SIZE_BYTES): Promise<RawConnection> {
    const connection = new RawConnection(port, readSizeBytes);
    const socket = connection.#socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return connection;
  }

  /** Sends one request and waits for its whole answer. One at a time. */
  exchange(parts: readonly Uint8Array[]): Promise<RawAnswer> {
    const answer = new Promise<RawAnswer>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
    return answer;
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #receive(sizeBytes: number): void {
    if (this.#bodyLeft > 0) return this.#body(sizeBytes);
    const bytes = this.#room.subarray(0, sizeBytes);
    const head = this.#head === undefined ? bytes : Buffer.concat([this.#head, bytes]);
    const end = head.indexOf(HEADER_END);
    if (end === -1) {
      // A copy: the next read writes over what came.
      this.#head = Buffer.from(head);
      return;
    }
    this.#head = undefined;
    const text = head.toString('latin1', 0, end).toLowerCase();
    this.#status = Number(text.slice(9, 12));
    const at = text.indexOf('\r\ncontent-length:');
    this.#bodyLeft = at === -1 ? 0 : Number.parseInt(text.slice(at + 17), 10);
    this.#bodyBytes = 0;
    const rest = head.length - end - HEADER_END.length;
    if (this.#bodyLeft === 0) this.#done();
    else if (rest > 0) this.#body(rest);
  }

  #body(sizeBytes: number): void {
    this.#bodyBytes += sizeBytes;
    this.#bodyLeft -= sizeBytes;
    if (this.#bodyLeft <= 0) this.#done();
  }

  #done(): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve({ status: this.#status, bodyBytes: this.#bodyBytes });
  }

  #fail(error: Error): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.reject(error);
  }
}
