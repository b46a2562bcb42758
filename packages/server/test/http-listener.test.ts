import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, get, request } from 'node:http';
import { connect } from 'node:net';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { HttpListener, RequestHandlers } from '../src/http-listener.ts';
import { openHttpListener } from '../src/http-listener.ts';
import { gate } from './gate.ts';

const { clock } = await createMemoryEnv();

type Handler = (incoming: IncomingMessage, response: ServerResponse) => Promise<void> | void;

function open(handler: Handler): Promise<HttpListener> {
  const handleRequest: RequestHandlers['handleRequest'] = (incoming, response) =>
    void handler(incoming, response);
  return openHttpListener({
    clock,
    host: '127.0.0.1',
    port: 0,
    handleRequest,
    handleContinue: (incoming, response) => {
      response.writeContinue();
      handleRequest(incoming, response);
    },
    handleClientError: (_, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  });
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of message) text += String(piece);
  return text;
}

test('stop lets a request in flight finish, and tells its client to close the connection', async () => {
  const handler = gate();
  const listener = await open(async (_, response: ServerResponse) => {
    handler.reached();
    await handler.opened;
    response.end('done');
  });
  const agent = new Agent({ keepAlive: true });
  const answer = once(get({ host: '127.0.0.1', port: listener.port, agent }), 'response');
  await handler.arrival;
  const stopping = listener.stop(1_000);
  expect(listener.requestsInFlight()).toBe(1);
  handler.open();
  const [message] = (await answer) as [IncomingMessage];
  expect(await bodyOf(message)).toBe('done');
  expect(message.headers.connection).toBe('close');
  await stopping;
  agent.destroy();
});

test('stop closes a connection after an answer that was already under way', async () => {
  const handler = gate();
  const listener = await open(async (_, response: ServerResponse) => {
    response.write('first ');
    handler.reached();
    await handler.opened;
    response.end('last');
  });
  const agent = new Agent({ keepAlive: true });
  const [message] = (await once(
    get({ host: '127.0.0.1', port: listener.port, agent }),
    'response',
  )) as [IncomingMessage];
  const text = bodyOf(message);
  await handler.arrival;
  const stopping = listener.stop(1_000);
  handler.open();
  expect(await text).toBe('first last');
  await stopping;
  agent.destroy();
});

test('stop does not cut an answer that was handed over and is still on its way to a slow client', async () => {
  const answer = Buffer.alloc(32 * 1024 * 1024, 'a');
  const handler = gate();
  const listener = await open((_, response) => {
    response.end(answer);
    handler.reached();
  });
  const outgoing = get({ host: '127.0.0.1', port: listener.port });
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage];
  await handler.arrival;
  const stopping = listener.stop(1_000);
  let received = 0;
  for await (const piece of message) received += (piece as Buffer).length;
  expect(received).toBe(answer.length);
  await stopping;
});

test('stop closes idle connections at once and refuses new ones', async () => {
  const listener = await open((_, response) => void response.end());
  const agent = new Agent({ keepAlive: true });
  const [message] = (await once(
    get({ host: '127.0.0.1', port: listener.port, agent }),
    'response',
  )) as [IncomingMessage];
  await bodyOf(message);
  await listener.stop(1_000);
  const socket = connect(listener.port, '127.0.0.1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
  agent.destroy();
});

test('what is not answered when the grace ends is cut', async () => {
  const handler = gate();
  const manual = await createMemoryEnv();
  const listener = await openHttpListener({
    clock: manual.clock,
    host: '127.0.0.1',
    port: 0,
    handleRequest: () => handler.reached(),
    handleContinue: () => undefined,
    handleClientError: (_, socket) => socket.destroy(),
  });
  const failed = once(get({ host: '127.0.0.1', port: listener.port }), 'error');
  await handler.arrival;
  const stopping = listener.stop(8_000);
  manual.manualClock.advance(8_000);
  const [error] = (await failed) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  await stopping;
  expect(manual.manualClock.pendingTimers).toBe(0);
});

test('a request that expects 100-continue goes to its own handler', async () => {
  const listener = await open(async (incoming, response) => {
    response.end(await bodyOf(incoming));
  });
  const outgoing = request({
    host: '127.0.0.1',
    port: listener.port,
    method: 'PUT',
    headers: { expect: '100-continue', 'content-length': '5' },
  });
  outgoing.flushHeaders();
  await once(outgoing, 'continue');
  outgoing.end('hello');
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage];
  expect(await bodyOf(message)).toBe('hello');
  await listener.stop(1_000);
});

test('requests of one connection are handled one after the other', async () => {
  const first = gate();
  const order: string[] = [];
  const listener = await open(async (incoming, response) => {
    order.push(`begins ${incoming.url}`);
    if (incoming.url === '/1') {
      first.reached();
      await first.opened;
    }
    const body = await bodyOf(incoming);
    order.push(`ends ${incoming.url} ${body}`);
    if (incoming.url === '/3') response.shouldKeepAlive = false;
    response.end(incoming.url);
  });
  const put = (path: string): string =>
    `PUT ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n${path.slice(1)}`;
  const socket = connect(listener.port, '127.0.0.1');
  socket.write(put('/1') + put('/2') + put('/3') + put('/4'));
  await first.arrival;
  // What another connection asks for is answered meanwhile, so that the second request would have begun too.
  const [other] = (await once(
    get({ host: '127.0.0.1', port: listener.port, path: '/other' }),
    'response',
  )) as [IncomingMessage];
  expect(await bodyOf(other)).toBe('/other');
  expect(order).toEqual(['begins /1', 'begins /other', 'ends /other ']);
  order.length = 0;
  first.open();
  let answers = '';
  for await (const piece of socket) answers += String(piece);
  expect(answers.match(/(?<=\r\n\r\n)\/\d/g)).toEqual(['/1', '/2', '/3']);
  // Nothing is done after an answer that ends the connection.
  expect(order).toEqual(['ends /1 1', 'begins /2', 'ends /2 2', 'begins /3', 'ends /3 3']);
  await listener.stop(0);
});

test('of a connection on which many requests wait no more is read, until they had their turn', async () => {
  const first = gate();
  const listener = await open(async (incoming, response) => {
    if (incoming.url === '/first') {
      first.reached();
      await first.opened;
    }
    response.end('answer');
  });
  const head = (path: string, padding: number): string =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(padding)}\r\n\r\n`;
  const socket = connect(listener.port, '127.0.0.1');
  const count = 600;
  socket.write(head('/first', 1) + head('/', 32 * 1024).repeat(count));
  await first.arrival;
  for (let i = 0; i < 200; i++) {
    const [other] = (await once(get({ host: '127.0.0.1', port: listener.port }), 'response')) as [
      IncomingMessage,
    ];
    expect(await bodyOf(other)).toBe('answer');
  }
  expect(socket.writableLength).toBeGreaterThan(8 * 1024 * 1024);
  first.open();
  let answers = 0;
  for await (const piece of socket) {
    answers += String(piece).split('answer').length - 1;
    if (answers === count + 1) break;
  }
  expect(answers).toBe(count + 1);
  await listener.stop(0);
});

test('requests that a client pipelined and left are not in flight, and are not handled', async () => {
  const handler = gate();
  let handled = 0;
  const listener = await open(async (_, response) => {
    handled++;
    handler.reached();
    await once(response, 'close');
    handler.open();
  });
  const socket = connect(listener.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3));
  await handler.arrival;
  socket.resetAndDestroy();
  await handler.opened;
  await listener.stop(1_000);
  expect([handled, listener.requestsInFlight()]).toEqual([1, 0]);
});

test('a request has all of its headers, and Node those that it asks for', async () => {
  const listener = await open((incoming, response) => {
    response.write(JSON.stringify(incoming.headers));
    response.end();
  });
  const answerTo = async (text: string): Promise<string> => {
    const socket = connect(listener.port, '127.0.0.1');
    socket.end(text);
    return await bodyOf(socket as unknown as IncomingMessage);
  };
  const plain = await answerTo('GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nConnection: close\r\n\r\n');
  expect(plain).toContain('{"host":"h","x-a":"1","connection":"close"}');
  const expects = await answerTo(
    'GET / HTTP/1.1\r\nHost: h\r\nEXPECT: 100-continue\r\nConnection: close\r\n\r\n',
  );
  expect(expects).toContain('HTTP/1.1 100 Continue');
  // Whoever speaks HTTP/1.0 gets chunks only where he says that he takes them.
  const old = await answerTo('GET / HTTP/1.0\r\nTE: chunked\r\n\r\n');
  expect(old).toContain('Transfer-Encoding: chunked');
  expect(await answerTo('GET / HTTP/1.0\r\n\r\n')).not.toContain('chunked');
  await listener.stop(1_000);
});

test('a client that ends its side after its requests has all answers, and then the connection is closed', async () => {
  const listener = await open(async (incoming, response) => {
    if (!incoming.socket.readableEnded) await once(incoming.socket, 'end');
    response.end(`answer ${incoming.url} ${await bodyOf(incoming)}\n`);
  });
  const socket = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(
    'PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody' +
      'GET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
  );
  let answers = '';
  for await (const piece of socket) answers += String(piece);
  expect(answers.match(/answer .*/g)).toEqual(['answer /1 body', 'answer /2 ']);
  expect(listener.requestsInFlight()).toBe(0);
  await listener.stop(1_000);
});

test('a head of more than 64 KiB and a request that is no HTTP go to the error handler', async () => {
  const listener = await open((_, response) => void response.end());
  for (const text of [`GET / HTTP/1.1\r\nx: ${'a'.repeat(70_000)}\r\n\r\n`, 'nonsense\r\n\r\n']) {
    const socket = connect(listener.port, '127.0.0.1');
    socket.write(text);
    const [piece] = (await once(socket, 'data')) as [Buffer];
    expect(piece.toString()).toContain('400 Bad Request');
    socket.destroy();
  }
  await listener.stop(1_000);
});

test('a head that does not arrive in time goes to the error handler, and others are served meanwhile', async () => {
  const codes: unknown[] = [];
  const listener = await openHttpListener({
    clock,
    host: '127.0.0.1',
    port: 0,
    headers: { limitMs: 100, checkMs: 20 },
    handleRequest: (_, response) => void response.end('served'),
    handleContinue: () => undefined,
    handleClientError: (error, socket) => {
      codes.push(error.code);
      socket.destroy();
    },
  });
  const slow = Array.from({ length: 20 }, () => connect(listener.port, '127.0.0.1'));
  // Not `once` of node:events, which rejects where a socket was reset, as it may be.
  const closed = slow.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  for (const socket of slow) {
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ');
  }
  // On a machine that stands still for as long, the head of the other one is late too: it asks again.
  let served: string | undefined;
  while (served === undefined) {
    const answer = once(get({ host: '127.0.0.1', port: listener.port }), 'response');
    const [message] = (await answer.catch(() => [])) as IncomingMessage[];
    served = message && (await bodyOf(message));
  }
  expect(served).toBe('served');
  await Promise.all(closed);
  expect(new Set(codes)).toEqual(new Set(['ERR_HTTP_REQUEST_TIMEOUT']));
  expect(codes.length).toBeGreaterThanOrEqual(slow.length);
  await listener.stop(1_000);
});

test('a port in use is an error of the start', async () => {
  const listener = await open((_, response) => void response.end());
  await expect(
    openHttpListener({
      clock,
      host: '127.0.0.1',
      port: listener.port,
      handleRequest: () => undefined,
      handleContinue: () => undefined,
      handleClientError: () => undefined,
    }),
  ).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await listener.stop(1_000);
});
