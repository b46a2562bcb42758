import { connect, type Socket } from 'node:net';

/** One answer: its status, and how many body bytes came. */
export interface RawAnswer {
  readonly status: number;
  readonly bodyBytes: number;
}

const HEADER_END = Buffer.from('\r\n\r\n');

/**
 * A keep-alive HTTP/1.1 connection that sends requests already serialised. It parses no more of an
 * answer than its status and Content-Length, so that the generator costs little of the shared cores.
 */
export class RawConnection {
  readonly #socket: Socket;
  #head: Buffer | undefined;
  #bodyLeft = 0;
  #bodyBytes = 0;
  #status = 0;
  #settle: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawConnection(socket);
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

  #receive(bytes: Buffer): void {
    if (this.#bodyLeft > 0) return this.#body(bytes.length);
    const head = this.#head === undefined ? bytes : Buffer.concat([this.#head, bytes]);
    const end = head.indexOf(HEADER_END);
    if (end === -1) {
      this.#head = head;
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
