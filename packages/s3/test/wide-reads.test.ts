import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { ManualClock } from '@holdfast/env/memory';
import { expect, onTestFinished, test } from 'vitest';
import { RequestBody } from '../src/request-body.ts';
import { WideReads } from '../src/wide-reads.ts';

const WIDE_BYTES = 256 * 1024;
/** No multiple of anything. */
const LARGE = patterned(3 * 1024 * 1024 + 77);

type Take = (piece: Uint8Array, req: IncomingMessage) => Promise<void> | undefined;

/** What became of one request. */
interface Poured {
  readonly hash: string;
  /** Pieces that came past the parser. */
  readonly wideCount: number;
}

interface PourServer {
  port: number;
  readonly poured: Poured[];
  /** What pours ended with. */
  readonly failures: Error[];
  /** What is done with a body before it is poured. */
  before: (body: RequestBody, req: IncomingMessage, res: ServerResponse) => Promise<void>;
}

/** A server that pours each body into `take`, and answers with its hash. Of a pour that fails it reads the rest. */
async function startPourServer(
  take: Take = () => undefined,
  prepare: (socket: Socket) => void = () => {},
): Promise<PourServer> {
  const poured: Poured[] = [];
  const failures: Error[] = [];
  const started: PourServer = { port: 0, poured, failures, before: () => Promise.resolve() };
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const sizeBytes = Number(req.headers['content-length']);
    const clock = new ManualClock();
    const options = { expectContinue: false, idleMs: 20_000, leastBytesPerSecond: 1000, sizeBytes };
    const body = new RequestBody(req, res, clock, options);
    await started.before(body, req, res);
    const hash = createHash('md5');
    let wideCount = 0;
    try {
      await body.pour((piece) => {
        hash.update(piece);
        if (piece.buffer.byteLength === WIDE_BYTES) wideCount++;
        return take(piece, req);
      });
    } catch (error) {
      failures.push(error as Error);
      while (!req.destroyed && (await body.next()).done !== true);
    }
    poured.push({ hash: hash.digest('hex'), wideCount });
    res.end(`${poured.at(-1)?.hash} ${body.bytesRead}\n`);
  };
  const server = createServer((req, res) => void answer(req, res).catch(() => res.destroy()));
  server.on('connection', prepare);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  started.port = (server.address() as AddressInfo).port;
  return started;
}

function patterned(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = (at * 31 + (at >> 8) * 7) & 0xff;
  return bytes;
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

const answerTo = (body: Uint8Array): string => `${md5(body)} ${body.length}\n`;

function put(body: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`),
    body,
  ]);
}

/** A connection that keeps what it gets. */
function open(port: number): { readonly socket: Socket; until(text: string): Promise<void> } {
  const socket = connect({ port, host: '127.0.0.1' });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  const until = async (text: string): Promise<void> => {
    while (!received.includes(text)) {
      if (socket.closed) throw new Error(`the connection ended with: ${received}`);
      await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    }
    received = received.slice(received.indexOf(text) + text.length);
  };
  return { socket, until };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a large body comes past the parser, and requests behind it, sent along with it, are read as ever', async () => {
  const server = await startPourServer();
  const { socket, until } = open(server.port);
  const bodies = [LARGE, patterned(5), LARGE.subarray(1), patterned(100_000), LARGE.subarray(2)];
  socket.write(Buffer.concat(bodies.map(put)));
  for (const body of bodies) await until(answerTo(body));
  const isWide = server.poured.map(({ wideCount }) => wideCount > 0);
  expect(isWide).toEqual([true, false, true, false, true]);
});

test('a connection that had a large body takes others, one after the other', async () => {
  const server = await startPourServer();
  const { socket, until } = open(server.port);
  for (const body of [LARGE, patterned(5), LARGE, patterned(100_000)]) {
    socket.write(put(body));
    await until(answerTo(body));
  }
});

test('a piece that is held stays as it is, and none comes, though the socket is read, until it is done with', async () => {
  const faults: string[] = [];
  let count = 0;
  let isHeld = false;
  const server = await startPourServer((piece, req) => {
    if (isHeld) faults.push('a piece came while one was held');
    if (++count % 3 !== 0) return undefined;
    isHeld = true;
    const before = md5(piece);
    const { _handle } = req.socket as Socket & {
      _handle?: { reading: boolean; readStart(): void };
    };
    return (async () => {
      // As whoever resumes the stream does.
      for (let read = 0; read < 3; read++) {
        if (_handle?.reading === false) {
          _handle.reading = true;
          _handle.readStart();
        }
        await turn();
      }
      if (md5(piece) !== before) faults.push('a held piece was overwritten');
      isHeld = false;
    })();
  });
  const { socket, until } = open(server.port);
  for (const body of [LARGE, LARGE.subarray(1), patterned(5)]) {
    socket.write(put(body));
    await until(answerTo(body));
  }
  expect(faults).toEqual([]);
  expect(count).toBeGreaterThan(6);
});

test('a body of which a piece is held at first, so that others wait in streams, comes past the parser after them', async () => {
  const counts = new Map<IncomingMessage, number>();
  const server = await startPourServer((_piece, req) => {
    const count = (counts.get(req) ?? 0) + 1;
    counts.set(req, count);
    if (count !== 2) return undefined;
    return (async () => {
      while (req.readableLength === 0) await turn();
    })();
  });
  server.before = async (_body, req) => {
    // So that the second piece comes before it is known what is to come.
    req.socket.pause();
    await turn();
    req.socket.resume();
  };
  const { socket, until } = open(server.port);
  for (const body of [LARGE, LARGE.subarray(1)]) {
    socket.write(put(body));
    await until(answerTo(body));
  }
  expect(server.poured.every(({ wideCount }) => wideCount > 0)).toBe(true);
});

test('a body of which bytes wait in the stream comes as ever: they come first', async () => {
  const server = await startPourServer();
  const { socket, until } = open(server.port);
  socket.write(put(LARGE));
  await until(answerTo(LARGE));
  const begun: unknown[] = [];
  server.before = async (_body, req) => {
    req.socket.pause();
    socket.write(LARGE);
    while (req.socket.readableLength === 0) await turn();
    begun.push(WideReads.begin(req, LARGE.length, () => true));
    req.socket.resume();
  };
  socket.write(put(LARGE).subarray(0, -LARGE.length));
  await until(answerTo(LARGE));
  expect(begun).toEqual([undefined]);
});

test('a body that is kept comes as ever', async () => {
  let wideCount = 0;
  const server = await startPourServer();
  server.before = async (body) => {
    body.keep();
    await body.pour((piece) => {
      if (piece.buffer.byteLength === WIDE_BYTES) wideCount++;
      return undefined;
    });
    body.rewind();
  };
  const { socket, until } = open(server.port);
  socket.write(put(LARGE));
  await until(answerTo(LARGE));
  expect(wideCount).toBe(0);
});

test.each([
  ['at once', (): never => fail()],
  ['later', () => turn().then(fail)],
])('a taker that gives up %s leaves the connection as it was', async (_, giveUp) => {
  let bytes = 0;
  const server = await startPourServer((piece) => {
    bytes += piece.length;
    return bytes > 1_000_000 && bytes - piece.length <= 1_000_000 ? giveUp() : undefined;
  });
  const { socket, until } = open(server.port);
  socket.write(put(LARGE));
  await until(` ${LARGE.length}\n`);
  expect(server.failures.map(({ message }) => message)).toEqual(['no room']);
  socket.write(put(LARGE.subarray(3)));
  await until(answerTo(LARGE.subarray(3)));
});

function fail(): never {
  throw new Error('no room');
}

test.each([
  ['ends', (socket: Socket) => void socket.end()],
  ['is reset', (socket: Socket) => void socket.resetAndDestroy()],
])('a connection that %s within a large body ends the pour', async (_, breakOff) => {
  const reached = Promise.withResolvers<void>();
  let bytes = 0;
  const server = await startPourServer((piece) => {
    bytes += piece.length;
    if (bytes >= 2_000_000) reached.resolve();
    return undefined;
  });
  const { socket } = open(server.port);
  socket.write(put(LARGE).subarray(0, 2_500_000));
  await reached.promise;
  breakOff(socket);
  while (server.failures.length === 0) await turn();
  expect(server.failures[0]?.message).toMatch(/aborted|closed before the end/);
  const { socket: next, until } = open(server.port);
  next.write(put(LARGE));
  await until(answerTo(LARGE));
});

test.each([
  ['ends', (socket: Socket) => void socket.end()],
  ['is reset', (socket: Socket) => void socket.resetAndDestroy()],
])('a connection that %s behind a large body is closed', async (_, breakOff) => {
  const closed = Promise.withResolvers<void>();
  const server = await startPourServer(undefined, (socket) => {
    socket.on('close', () => closed.resolve());
  });
  const { socket, until } = open(server.port);
  socket.write(put(LARGE));
  await until(answerTo(LARGE));
  breakOff(socket);
  await closed.promise;
});

test('who listens to a connection behind a large body hears what comes, and so does the parser', async () => {
  const sockets: Socket[] = [];
  const server = await startPourServer(undefined, (socket) => void sockets.push(socket));
  const { socket, until } = open(server.port);
  socket.write(put(LARGE));
  await until(answerTo(LARGE));
  const heard: Buffer[] = [];
  sockets[0]?.on('data', (bytes: Buffer) => heard.push(bytes));
  for (const body of [patterned(5), patterned(100_000)]) {
    socket.write(put(body));
    await until(answerTo(body));
  }
  expect(Buffer.concat(heard).equals(Buffer.concat([5, 100_000].map(patterned).map(put)))).toBe(
    true,
  );
});

test('a large body is whole that comes while the client does not read the answer before it', async () => {
  const server = await startPourServer();
  const { socket, until } = open(server.port);
  const answer = Buffer.alloc(16 * 1024 * 1024, 'a');
  let requests = 0;
  server.before = async (_body, req, res) => {
    if (++requests === 1) res.write(answer);
    // Node has paused its parser by then, until the answer is gone.
    else if (requests === 2) socket.resume();
    await turn();
    expect(req.destroyed).toBe(false);
  };
  socket.pause();
  socket.write(Buffer.concat([put(patterned(5)), put(LARGE), put(patterned(6))]));
  for (const body of [patterned(5), LARGE, patterned(6)]) await until(answerTo(body));
});

test('a connection is cut where the parser does not take a piece', async () => {
  let wideCount = 0;
  const server = await startPourServer((piece, req) => {
    if (piece.buffer.byteLength !== WIDE_BYTES || wideCount++ > 0) return undefined;
    const { parser } = req.socket as Socket & { parser?: object };
    shadow(parser, 'execute', () => new Error('paused'));
    return undefined;
  });
  const { socket, until } = open(server.port);
  socket.write(put(LARGE));
  await expect(until(answerTo(LARGE))).rejects.toThrow(/ended|ECONNRESET/);
  while (server.failures.length === 0) await turn();
  expect(server.failures[0]?.message).toMatch(/aborted|closed before the end|did not take/);
});

test('a connection is not taken for idle while a large body comes', async () => {
  let restarts = 0;
  const server = await startPourServer(undefined, (socket) => {
    const setTimeout = socket.setTimeout.bind(socket);
    socket.setTimeout(3_600_000);
    socket.setTimeout = (timeoutMs, listener) => {
      if (timeoutMs === 3_600_000) restarts++;
      return setTimeout(timeoutMs, listener);
    };
  });
  const { socket, until } = open(server.port);
  socket.write(put(LARGE));
  await until(answerTo(LARGE));
  expect(restarts).toBeGreaterThan(0);
});

test.each<[string, (socket: Socket & { _handle?: object; parser?: object }) => void]>([
  ['reads into no buffer', ({ _handle }) => shadow(_handle, 'useUserBuffer')],
  ['does not say what it read', ({ _handle }) => shadow(_handle, 'bytesRead')],
  ['does not stop reading', ({ _handle }) => shadow(_handle, 'readStop')],
  ['has no parser', (socket) => shadow(socket, 'parser')],
  ['has another parser', ({ parser }) => shadow(parser, 'execute')],
  ['is one of TLS', (socket) => Object.assign(socket, { encrypted: true })],
])('where a socket %s, a large body comes as ever', async (_, change) => {
  let isChanged = false;
  const server = await startPourServer((_piece, { socket }) => {
    if (!isChanged) change(socket);
    isChanged = true;
    return undefined;
  });
  const { socket, until } = open(server.port);
  // So the first piece comes before there is a pour to hurry.
  socket.write(put(LARGE).subarray(0, 100));
  socket.write(put(LARGE).subarray(100));
  await until(answerTo(LARGE));
  expect(server.poured[0]?.wideCount).toBe(0);
});

function shadow(target: object | undefined, name: string, value?: () => unknown): void {
  if (target === undefined) throw new Error(`there is nothing to have a ${name}`);
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
  // A parser serves other connections too.
  onTestFinished(() => void Reflect.deleteProperty(target, name));
}
