import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { RawSocket, rawHead, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

async function startWithBucket(
  options: Parameters<typeof startTestServer>[0] = {},
): Promise<TestServer> {
  const server = await startTestServer(options);
  await send(server, { method: 'PUT', path: '/bucket' });
  return server;
}

async function keysOf(server: TestServer): Promise<string[]> {
  const page = await server.store.listObjects({ bucket: 'bucket', limit: 1000 });
  return page.objects.map(({ key }) => key);
}

const PUT = { method: 'PUT', path: '/bucket/key' } as const;

test('100 Continue comes after authentication and the early checks, and then the body is stored', async () => {
  await using server = await startWithBucket();
  await using socket = new RawSocket(server.port);
  const head = rawHead(
    server,
    { ...PUT, signedBody: 'hello' },
    { expect: '100-continue', 'content-length': '5' },
  );
  socket.write(head);
  await socket.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  expect(await keysOf(server)).toEqual([]);
  socket.write('hello');
  await socket.until(/HTTP\/1\.1 200 OK[^]*ETag: "5d41402abc4b2a76b9719d911017c592"/);
  expect(await keysOf(server)).toEqual(['key']);
});

test('a large body that waits for 100 Continue is stored whole, and so is the request sent along with its end', async () => {
  await using server = await startWithBucket();
  await using socket = new RawSocket(server.port);
  const large = Buffer.alloc(3 * 1024 * 1024 + 1, 'large');
  const length = { 'content-length': String(large.length) };
  const put = { ...PUT, signedBody: large };
  socket.write(rawHead(server, put, { expect: '100-continue', ...length }));
  await socket.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  socket.write(large);
  socket.write(
    rawHead(server, { ...PUT, path: '/bucket/next', body: 'hello' }, { 'content-length': '5' }),
  );
  socket.write('hello');
  const etag = createHash('md5').update(large).digest('hex');
  await socket.until(
    new RegExp(`200 OK[^]*ETag: "${etag}"[^]*200 OK[^]*ETag: "5d41402abc4b2a76b9719d911017c592"`),
  );
  expect(await keysOf(server)).toEqual(['key', 'next']);
});

test('a refusal comes instead of 100 Continue, and the connection is closed', async () => {
  await using server = await startWithBucket();
  const cases = [
    [{ ...PUT, anonymous: true }, 403, 'AccessDenied'],
    [{ ...PUT, secretKey: 'wrong' }, 403, 'SignatureDoesNotMatch'],
    [{ ...PUT, path: '/absent/key' }, 404, 'NoSuchBucket'],
    [{ ...PUT, path: `/bucket/${'k'.repeat(1025)}` }, 400, 'KeyTooLongError'],
    [{ ...PUT, headers: { 'x-amz-storage-class': 'FLOPPY' } }, 400, 'InvalidStorageClass'],
    [{ ...PUT, headers: { 'if-match': '"no"' } }, 404, 'NoSuchKey'],
  ] as const;
  for (const [request, status, code] of cases) {
    await using socket = new RawSocket(server.port);
    const unsigned = { expect: '100-continue', 'content-length': '5000000000' };
    socket.write(rawHead(server, request, unsigned));
    const answer = await socket.untilEnd();
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain(`<Code>${code}</Code>`);
    expect(answer).toMatch(/Connection: close/i);
    expect(answer).not.toContain('100 Continue');
  }
});

test('an error for a body that is already on its way is read by the client', async () => {
  await using server = await startWithBucket({ limits: { drainBytes: 1024 * 1024 } });
  await using socket = new RawSocket(server.port);
  socket.write(rawHead(server, { ...PUT, anonymous: true }, { 'content-length': '800000' }));
  socket.write(Buffer.alloc(300_000));
  await socket.until(/<Code>AccessDenied<\/Code>/);
  socket.write(Buffer.alloc(500_000));
  expect(await socket.untilEnd()).toMatch(/Connection: close/i);
});

test('a body that is refused is read no longer than the limit', async () => {
  await using server = await startWithBucket({ limits: { drainBytes: 100_000 } });
  await using socket = new RawSocket(server.port);
  socket.write(rawHead(server, { ...PUT, anonymous: true }, { 'content-length': '900000000' }));
  socket.write(Buffer.alloc(400_000));
  expect(await socket.untilEnd()).toContain('<Code>AccessDenied</Code>');
});

test('a client that sends nothing of its refused body is not waited for longer than the limit', async () => {
  await using server = await startWithBucket({ limits: { drainMs: 5000 } });
  await using socket = new RawSocket(server.port);
  socket.write(rawHead(server, { ...PUT, anonymous: true }, { 'content-length': '1000000' }));
  await socket.until(/<Code>AccessDenied<\/Code>/);
  server.clock.advance(5000);
  await socket.untilEnd();
  expect(server.clock.pendingTimers).toBe(0);
});

test('small refused bodies leave the connection usable, and every request has one answer', async () => {
  await using server = await startWithBucket();
  await using socket = new RawSocket(server.port);
  const refused = rawHead(server, { ...PUT, anonymous: true }, { 'content-length': '4' });
  const stored = rawHead(server, { ...PUT, signedBody: 'good' }, { 'content-length': '4' });
  const read = rawHead(server, { method: 'GET', path: '/bucket/key' });
  socket.write(`${refused}evil${stored}good`);
  await socket.until(/HTTP[^]*HTTP[^]*\r\n\r\n$/);
  socket.write(read);
  const received = await socket.until(/HTTP[^]*HTTP[^]*HTTP[^]*\r\n\r\ngood$/);
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual([
    'HTTP/1.1 403',
    'HTTP/1.1 200',
    'HTTP/1.1 200',
  ]);
});

test('a body that ends before its declared length is IncompleteBody, and nothing is stored', async () => {
  await using server = await startWithBucket();
  await using socket = new RawSocket(server.port);
  socket.write(rawHead(server, { ...PUT, signedBody: 'hello' }, { 'content-length': '5' }));
  socket.write('hell');
  socket.socket.end();
  const answer = await socket.untilEnd();
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('<Code>IncompleteBody</Code>');
  expect(answer).toContain(
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  );
  expect(await keysOf(server)).toEqual([]);
});

test('a client that goes away in the middle of a put leaves nothing behind', async () => {
  await using server = await startWithBucket();
  const before = await rowCount(server);
  for (const size of [100, 3_000_000]) {
    const socket = new RawSocket(server.port);
    const head = rawHead(
      server,
      { ...PUT, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      { 'content-length': String(size * 2), expect: '100-continue' },
    );
    socket.write(head);
    await socket.until(/100 Continue/);
    socket.write(Buffer.alloc(size));
    socket.socket.resetAndDestroy();
    await server.recorded(server.records.length + 1);
    expect(server.records.at(-1)).toMatchObject({ operation: 'PutObject', status: 499 });
    expect(await keysOf(server)).toEqual([]);
  }
  await server.store.collectGarbage();
  expect(await rowCount(server)).toBe(before);
  expect(server.logged).toEqual([]);
});

test('a put whose bytes stop coming ends with RequestTimeout', async () => {
  await using server = await startWithBucket({ limits: { bodyIdleMs: 20_000, drainMs: 1 } });
  await using socket = new RawSocket(server.port);
  socket.write(
    rawHead(
      server,
      { ...PUT, signedBody: 'hello' },
      { 'content-length': '5', expect: '100-continue' },
    ),
  );
  await socket.until(/100 Continue/);
  server.clock.advance(20_000);
  await socket.until(/<Code>RequestTimeout<\/Code>/);
  expect(await keysOf(server)).toEqual([]);
});

test('a put that is not read stops the client after a bounded number of bytes', async () => {
  let release: (() => void) | undefined;
  await using server = await startWithBucket({
    wrap: (store) => ({
      ...store,
      putObject: async (request) => {
        const first = await request.body.pieces[Symbol.asyncIterator]().next();
        expect(first.done).toBe(false);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        throw Object.assign(new Error('busy'), { code: 'KV_BUSY' });
      },
    }),
  });
  await using socket = new RawSocket(server.port);
  let readBytes = (): number => 0;
  server.server.once('request', ({ socket: peer }) => {
    readBytes = () => peer.bytesRead;
  });
  const unsigned = { ...PUT, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } };
  socket.write(rawHead(server, unsigned, { 'content-length': '100000000' }));
  socket.write(Buffer.alloc(100_000_000));
  let before = -1;
  // Stable over many turns of the event loop: the socket is paused.
  for (let turns = 0; turns < 200; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (readBytes() !== before) turns = 0;
    before = readBytes();
  }
  expect(before).toBeGreaterThan(100_000);
  expect(before).toBeLessThan(2_000_000);
  release?.();
  await socket.until(/HTTP\/1\.1 503 [^]*<Code>SlowDown<\/Code>/);
});

test('bytes that are not HTTP get one 400 and a closed connection', async () => {
  await using server = await startWithBucket();
  await using socket = new RawSocket(server.port);
  socket.write('NONSENSE\r\n\r\n');
  const answer = await socket.untilEnd();
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(answer).toContain('<Code>BadRequest</Code>');
});

test('a body longer than its declared length is answered, and what follows closes the connection', async () => {
  await using server = await startWithBucket();
  await using socket = new RawSocket(server.port);
  socket.write(rawHead(server, { ...PUT, signedBody: 'good' }, { 'content-length': '4' }));
  socket.write('good and more than that');
  const answer = await socket.untilEnd();
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(answer.match(/HTTP\/1\.1/g)?.length).toBeLessThanOrEqual(2);
  expect(await keysOf(server)).toEqual(['key']);
});

test('a request target may be absolute', async () => {
  await using server = await startWithBucket();
  await send(server, { ...PUT, body: 'hello' });
  await using socket = new RawSocket(server.port);
  const head = rawHead(server, { method: 'GET', path: '/bucket/key' });
  socket.write(head.replace('GET /', `GET http://127.0.0.1:${server.port}/`));
  await socket.until(/HTTP\/1\.1 200 OK[^]*\r\n\r\nhello$/);
});

test('a read that fails in the middle cuts the body short', async () => {
  await using server = await startWithBucket({
    wrap: (store) => ({
      ...store,
      getObject: async (request) => {
        const reader = await store.getObject(request);
        return { ...reader, close: () => reader.close(), immediate: undefined, body: failing() };
      },
    }),
  });
  await send(server, { ...PUT, body: 'hello' });
  await using socket = new RawSocket(server.port);
  socket.write(rawHead(server, { method: 'GET', path: '/bucket/key' }));
  const answer = await socket.untilEnd();
  expect(answer).toMatch(/Content-Length: 5\r\n/);
  expect(answer).toMatch(/\r\n\r\nhe$/);
  expect(server.records.at(-1)).toMatchObject({ errorCode: 'InternalError', bytesOut: 2 });
});

test('a read that fails before its first byte is an error, and the connection goes on', async () => {
  await using server = await startWithBucket({
    wrap: (store) => ({
      ...store,
      getObject: async (request) => {
        const reader = await store.getObject(request);
        const body = {
          [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(unreadable()) }),
        };
        return { ...reader, close: () => reader.close(), immediate: undefined, body };
      },
    }),
  });
  await send(server, { ...PUT, body: 'hello' });
  await using socket = new RawSocket(server.port);
  const head = rawHead(server, { method: 'GET', path: '/bucket/key' });
  for (const _turn of [1, 2]) {
    socket.write(head);
    await socket.until(/HTTP\/1\.1 500 [^]*<Code>InternalError<\/Code>[^]*<\/Error>$/);
  }
  expect(server.records.at(-1)).toMatchObject({ status: 500, errorCode: 'InternalError' });
});

test('an unforeseen error is InternalError, logged with its cause and never shown', async () => {
  await using server = await startWithBucket({
    wrap: (store) => ({
      ...store,
      headObject: () => Promise.reject(new Error('secret detail')),
      getObject: () => Promise.reject(new Error('secret detail')),
    }),
  });
  const answer = await send(server, { method: 'GET', path: '/bucket/key' });
  expect([answer.status, answer.code, answer.message]).toEqual([
    500,
    'InternalError',
    'We encountered an internal error. Please try again.',
  ]);
  expect(answer.body).not.toContain('secret');
  expect(server.logged).toMatchObject([
    { requestId: answer.element('RequestId'), err: { message: 'secret detail' } },
  ]);
});

test('errors of the storage have their status and their code', async () => {
  let code = '';
  await using server = await startWithBucket({
    wrap: (store) => ({
      ...store,
      putObject: () => Promise.reject(Object.assign(new Error('internal words'), { code })),
    }),
  });
  const expected = [
    ['KV_NO_SPACE', 507, 'InsufficientStorage'],
    ['KV_BUSY', 503, 'SlowDown'],
    ['KV_UNAVAILABLE', 503, 'ServiceUnavailable'],
    ['KV_CORRUPTION', 500, 'InternalError'],
  ] as const;
  for (const [thrown, status, answerCode] of expected) {
    code = thrown;
    const answer = await send(server, { ...PUT, body: 'x' });
    expect([thrown, answer.status, answer.code]).toEqual([thrown, status, answerCode]);
    expect(answer.body).not.toContain('internal words');
  }
});

test('a storage that cannot answer says why where that is known, and nothing else of it', async () => {
  let reason: string | undefined;
  await using server = await startWithBucket({
    unavailableBecause: () => reason,
    wrap: (store) => ({
      ...store,
      putObject: () => Promise.reject(Object.assign(new Error('x'), { code: 'KV_UNAVAILABLE' })),
    }),
  });
  const messageOf = async () => (await send(server, { ...PUT, body: 'x' })).element('Message');
  expect(await messageOf()).toBe('Service is unable to handle request.');
  reason = 'This node was removed from its cluster.';
  expect(await messageOf()).toBe(reason);
});

function unreadable(): Error {
  return Object.assign(new Error('the device could not read it'), { code: 'KV_CORRUPTION' });
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('he');
  throw new Error('a broken extent');
}

async function rowCount(server: TestServer): Promise<number> {
  const page = await server.kv.scan({ limit: 1000 });
  return page.entries.length;
}

test('a GET that announces a body is answered, and the connection is not kept', async () => {
  await using server = await startWithBucket();
  await send(server, { ...PUT, body: 'hello' });
  await using socket = new RawSocket(server.port);
  const head = rawHead(server, { method: 'GET', path: '/bucket/key' }, { 'content-length': '99' });
  socket.write(head);
  const answer = await socket.untilEnd();
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK[^]*Connection: close[^]*\r\n\r\nhello$/);
});

test('user metadata keeps its bytes, whatever they are', async () => {
  await using server = await startWithBucket();
  await using socket = new RawSocket(server.port);
  const utf8InLatin1 = Buffer.from('grün').toString('latin1');
  const request = { ...PUT, signedBody: 'x', headers: { 'x-amz-meta-name': utf8InLatin1 } };
  socket.write(Buffer.from(rawHead(server, request, { 'content-length': '1' }), 'latin1'));
  socket.write('x');
  await socket.until(/HTTP\/1\.1 \d+[^]*\r\n\r\n/);
  const head = await send(server, { method: 'HEAD', path: '/bucket/key' });
  expect(Buffer.from(String(head.headers['x-amz-meta-name']), 'latin1').toString()).toBe('grün');
});
