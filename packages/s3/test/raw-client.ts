import { createHash, createHmac } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { ACCESS_KEY, SECRET_KEY, type TestServer } from './test-server.ts';

export interface RawRequest {
  readonly method: string;
  /** Request target, sent as it is. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Replaces what is signed, so that the signature is right and the body is not. */
  readonly signedBody?: string | Uint8Array;
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Signs for a time so far from the server's. */
  readonly skewMs?: number;
  readonly anonymous?: boolean;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** `<Code>` of the body, and its other elements by name. */
  readonly code: string | undefined;
  readonly message: string | undefined;
  element(name: string): string | undefined;
}

/** Headers of a request, signed with Signature Version 4. Independent of the code under test. */
function signHeaders(server: TestServer, request: RawRequest): Record<string, string> {
  const body = request.signedBody ?? request.body ?? '';
  const headers: Record<string, string> = {
    host: `127.0.0.1:${server.port}`,
    'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
    ...request.headers,
  };
  if (request.anonymous) return headers;
  const date = new Date(server.clock.nowMs() + (request.skewMs ?? 0));
  const amzDate = `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
  headers['x-amz-date'] = amzDate;
  const names = Object.keys(headers)
    .map((name) => name.toLowerCase())
    .sort();
  const lower = new Map(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v.trim()]));
  const [path = '', query = ''] = splitOnce(request.path, '?');
  const canonical = [
    request.method,
    canonicalPath(path),
    query
      .split('&')
      .filter((part) => part !== '')
      .map((part) => splitOnce(part, '='))
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
      .map(([name, value = '']) => `${name}=${value}`)
      .join('&'),
    ...names.map((name) => `${name}:${lower.get(name)}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'],
  ].join('\n');
  const scope = `${amzDate.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const hash = createHash('sha256').update(canonical, 'latin1').digest('hex');
  const toSign = ['AWS4-HMAC-SHA256', amzDate, scope, hash].join('\n');
  let key: Buffer = Buffer.from(`AWS4${request.secretKey ?? SECRET_KEY}`);
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  const signature = createHmac('sha256', key).update(toSign).digest('hex');
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${request.accessKey ?? ACCESS_KEY}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return headers;
}

/** Sends a signed request whose path is not touched, and reads the whole answer. */
export function send(server: TestServer, request: RawRequest): Promise<RawAnswer> {
  const headers = signHeaders(server, request);
  if (request.body !== undefined) headers['content-length'] = String(byteLength(request.body));
  return new Promise((resolve, reject) => {
    const req = httpRequest(
      { host: '127.0.0.1', port: server.port, method: request.method, path: request.path, headers },
      (res) => {
        const pieces: Buffer[] = [];
        res.on('data', (piece: Buffer) => pieces.push(piece));
        res.on('error', reject);
        res.on('end', () => {
          const body = Buffer.concat(pieces).toString();
          resolve(readAnswer(res.statusCode ?? 0, res.headers, body));
        });
      },
    );
    req.on('error', reject);
    req.end(request.body);
  });
}

/** Sends it, and fails unless it is answered with success. */
export async function succeed(
  server: TestServer,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Promise<RawAnswer> {
  const answer = await send(server, { method, path, headers, ...(body !== undefined && { body }) });
  if (answer.status < 400) return answer;
  throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.body}`);
}

function readAnswer(status: number, headers: IncomingHttpHeaders, body: string): RawAnswer {
  const element = (name: string): string | undefined =>
    new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1];
  return { status, headers, body, code: element('Code'), message: element('Message'), element };
}

/** The head of a request as bytes for a socket. */
export function rawHead(
  server: TestServer,
  request: RawRequest,
  unsigned: Readonly<Record<string, string>> = {},
): string {
  const headers = { ...signHeaders(server, request), ...unsigned };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${request.method} ${request.path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** A socket that keeps all it has received. */
export class RawSocket implements AsyncDisposable {
  readonly socket: Socket;
  received = '';
  ended = false;
  #waiting: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.received += text;
      this.#wake();
    });
    this.socket.on('error', () => {});
    for (const event of ['end', 'close']) {
      this.socket.on(event, () => {
        this.ended = true;
        this.#wake();
      });
    }
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  /** Resolves when what was received matches; rejects when the connection ends before. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      if (pattern.test(this.received)) return this.received;
      if (this.ended) throw new Error(`the connection ended with: ${this.received}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async untilEnd(): Promise<string> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

function canonicalPath(path: string): string {
  return encodeURIComponent(decodeURIComponent(path))
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, hexEscape);
}

function hexEscape(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function byteLength(body: string | Uint8Array): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
}
