import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { get } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { createMemoryEnv } from '@holdfast/env/memory';
import { expect, test } from 'vitest';
import type { HttpListener, ListenerOptions, RequestHandlers } from '../../src/http-listener.ts';
import { openHttpListener } from '../../src/http-listener.ts';
import type { HandshakeFailure } from '../../src/tls/handshakes.ts';
import { gate } from '../gate.ts';
import { makeKeyPair } from './certificate.ts';

const { clock } = await createMemoryEnv();
const keyPair = makeKeyPair('store.test');
const renewed = makeKeyPair('store.test');

/** For what must not happen before: the clock of the tests stands still. */
const NEVER_MS = 1_000;

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

function open(
  handler: Handler,
  more: Pick<ListenerOptions, 'onHandshakeFailure'> = {},
): Promise<HttpListener> {
  const handleRequest: RequestHandlers['handleRequest'] = (request, response) =>
    void handler(request, response);
  return openHttpListener({
    clock,
    host: '127.0.0.1',
    port: 0,
    keyPair,
    handleRequest,
    handleContinue: handleRequest,
    handleClientError: (_, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ...more,
  });
}

/** A connection whose handshake has ended well. */
async function connection(
  { port }: HttpListener,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const ca = [keyPair.certificate, renewed.certificate];
  const socket = connectTls({ host: '127.0.0.1', port, ca, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function answerOf({ port }: HttpListener, ca: string): Promise<string> {
  const request = get({ host: '127.0.0.1', port, ca, agent: false });
  const [message] = (await once(request, 'response')) as [IncomingMessage];
  return await text(message);
}

test('a client that trusts the certificate is answered, one that does not goes away', async () => {
  const listener = await open((_, response) => response.end('hello'));
  expect(await answerOf(listener, keyPair.certificate)).toBe('hello');
  await expect(answerOf(listener, renewed.certificate)).rejects.toThrow('self-signed certificate');
  await listener.stop(NEVER_MS);
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken', async (version) => {
  const listener = await open((_, response) => response.end('hello'));
  const socket = await connection(listener, { minVersion: version, maxVersion: version });
  expect(socket.getProtocol()).toBe(version);
  socket.destroy();
  await listener.stop(NEVER_MS);
});

test('TLS 1.1 is refused', async () => {
  const listener = await open((_, response) => response.end('hello'));
  const old = connection(listener, {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  await expect(old).rejects.toThrow(/alert|protocol/);
  await listener.stop(NEVER_MS);
});

test('a request without TLS is told of, its connection ends, and others are answered', async () => {
  const failed = Promise.withResolvers<HandshakeFailure>();
  const listener = await open((_, response) => response.end('hello'), {
    onHandshakeFailure: failed.resolve,
  });
  const plain = connect(listener.port, '127.0.0.1');
  plain.on('error', () => undefined);
  plain.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(plain, 'close');
  expect(await failed.promise).toEqual({ code: 'ERR_SSL_HTTP_REQUEST', from: '127.0.0.1' });
  expect(await answerOf(listener, keyPair.certificate)).toBe('hello');
  await listener.stop(NEVER_MS);
});

test('stop waits for no connection that is idle, nor for one whose handshake has not begun', async () => {
  const listener = await open((_, response) => response.end('hello'));
  const idle = await connection(listener);
  idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(idle, 'data');
  const fresh = await connection(listener);
  const silent = connect(listener.port, '127.0.0.1');
  await once(silent, 'connect');
  // A request on a later connection: the silent one has arrived too.
  expect(await answerOf(listener, keyPair.certificate)).toBe('hello');
  const closed = [idle, fresh, silent].map((socket) => once(socket.resume(), 'close'));
  await listener.stop(NEVER_MS);
  await Promise.all(closed);
});

test('stop lets a request in flight finish', async () => {
  const handler = gate();
  const listener = await open(async (_, response) => {
    handler.reached();
    await handler.opened;
    response.end('done');
  });
  const answer = answerOf(listener, keyPair.certificate);
  await handler.arrival;
  const stopping = listener.stop(NEVER_MS);
  expect(listener.requestsInFlight()).toBe(1);
  handler.open();
  expect(await answer).toBe('done');
  await stopping;
});

test('a client that ends its side after its requests has all answers, and then the connection is closed', async () => {
  const listener = await open(async (request, response) => {
    if (!request.socket.readableEnded) await once(request.socket, 'end');
    response.end(`answer ${request.url}`);
  });
  const socket = await connection(listener);
  socket.end('GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n');
  const answers = await text(socket);
  expect(answers.match(/answer \/[a-z]+/g)).toEqual(['answer /one', 'answer /two']);
  await listener.stop(NEVER_MS);
});

test('connections after a renewal get the new certificate, and those before it go on', async () => {
  const listener = await open((_, response) => response.end('hello'));
  const before = await connection(listener);
  listener.setKeyPair(renewed);
  expect(await answerOf(listener, renewed.certificate)).toBe('hello');
  await expect(answerOf(listener, keyPair.certificate)).rejects.toThrow('self-signed certificate');
  before.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  expect(await text(before)).toContain('hello');
  await listener.stop(NEVER_MS);
});

test('what is no HTTP within TLS is answered by who answers it without', async () => {
  const failures: HandshakeFailure[] = [];
  const listener = await open((_, response) => response.end('hello'), {
    onHandshakeFailure: (failure) => failures.push(failure),
  });
  const socket = await connection(listener);
  socket.write('NONSENSE\r\n\r\n');
  expect(await text(socket)).toBe('HTTP/1.1 400 Bad Request\r\n\r\n');
  expect(failures).toEqual([]);
  await listener.stop(NEVER_MS);
});
