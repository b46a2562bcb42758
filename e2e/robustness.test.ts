import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { expect, test } from 'vitest';
import { runCommand } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';
import { stableAddress } from './harness/stable-address.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const MIB = 1024 * 1024;
const IDLE = 10_000;

test('10,000 idle connections, some of them in the middle of a head, keep nobody from being served', async (context) => {
  const { output } = await runCommand('sh', ['-c', 'ulimit -Hn']);
  if (Number(output) < IDLE + 2000) {
    context.skip(`a process may open ${output.trim()} files here, and ${IDLE + 2000} are needed`);
  }
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({
    directory: join(folder.path, 'data'),
    arguments: ['--bucket', 'idle'],
  });
  const sockets: Socket[] = [];
  try {
    while (sockets.length < IDLE) {
      const batch = Array.from({ length: 500 }, () => connect(server.port, '127.0.0.1'));
      sockets.push(...batch);
      await Promise.all(batch.map((socket) => once(socket, 'connect')));
    }
    for (const socket of sockets.slice(0, 1000)) socket.write('PUT /idle/key HTTP/1.1\r\nX-Slow: ');
    const client = server.client();
    const body = patternBytes(1, 3 * MIB);
    await client.send(new PutObjectCommand({ Bucket: 'idle', Key: 'key', Body: body }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'idle', Key: 'key' }));
    expect(sha256((await Body?.transformToByteArray()) ?? new Uint8Array())).toBe(sha256(body));
    expect(sockets.filter(({ destroyed }) => destroyed)).toEqual([]);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  expect(await server.stop()).toBe(0);
});

test('connections leave the store its files, where the system lets a process open few', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({
    directory: join(folder.path, 'data'),
    arguments: ['--bucket', 'few'],
    wrapper: ['prlimit', '--nofile=300:300'],
  });
  const sockets: Socket[] = [];
  try {
    const client = server.client();
    const put = async (key: string): Promise<unknown> =>
      client.send(new PutObjectCommand({ Bucket: 'few', Key: key, Body: patternBytes(1, MIB) }));
    await put('first');
    let refused = 0;
    while (sockets.length < 400) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined).once('close', () => (refused += 1));
      sockets.push(socket);
      await once(socket, 'connect');
    }
    // Two segments of the log.
    for (let at = 0; at < 140; at++) await put(`key-${at}`);
    expect(refused).toBeGreaterThan(200);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  expect(await server.stop()).toBe(0);
});

test('a server that dies in the middle of a body lets the retry of the SDK succeed', async () => {
  await using folder = await temporaryFolder();
  const options = { directory: join(folder.path, 'data'), arguments: ['--bucket', 'retried'] };
  let server = await HoldfastProcess.start(options);
  const restarts: Promise<void>[] = [];
  let limits = [5 * MIB, 30 * MIB];
  await using address = await stableAddress(server.port, (sentBytes) => {
    if (sentBytes < (limits[0] ?? Number.POSITIVE_INFINITY)) return;
    limits = limits.slice(1);
    restarts.push(restart());
  });
  async function restart(): Promise<void> {
    await server.kill();
    server = await HoldfastProcess.start(options);
    address.port = server.port;
  }
  try {
    const client = server.client({ endpoint: address.endpoint, maxAttempts: 20 });
    const once = patternBytes(2, 20 * MIB);
    await client.send(new PutObjectCommand({ Bucket: 'retried', Key: 'once', Body: once }));
    expect(restarts).toHaveLength(1);

    const parts = patternBytes(3, 40 * MIB);
    const upload = { Bucket: 'retried', Key: 'parts', Body: parts };
    await new Upload({ client, params: upload, partSize: 8 * MIB, queueSize: 2 }).done();
    expect(restarts).toHaveLength(2);
    await Promise.all(restarts);

    const fresh = server.client();
    for (const [Key, sent] of [
      ['once', once],
      ['parts', parts],
    ] as const) {
      const { Body } = await fresh.send(new GetObjectCommand({ Bucket: 'retried', Key }));
      expect(sha256((await Body?.transformToByteArray()) ?? new Uint8Array())).toBe(sha256(sent));
    }
    const { Uploads } = await fresh.send(new ListMultipartUploadsCommand({ Bucket: 'retried' }));
    expect(Uploads).toBeUndefined();
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

test('the id of every error is in the log, also of what was no request', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: join(folder.path, 'data') });
  const heads = [
    'GET /absent/key HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'PUT /absent/key HTTP/1.1\r\nHost: a\r\nAuthorization: AWS nobody:x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    'GET / HTTP/1.1\r\nConnection: close\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: a\r\nX-Large: ${'x'.repeat(70_000)}\r\n\r\n`,
    'no HTTP at all\r\n\r\n',
  ];
  const codes: string[] = [];
  for (const head of heads) {
    const answer = await exchange(server.port, head);
    const requestId = /<RequestId>([0-9A-F]{16})<\/RequestId>/.exec(answer)?.[1];
    expect(requestId, answer).toBeDefined();
    codes.push(/<Code>(\w+)<\/Code>/.exec(answer)?.[1] ?? answer);
    await waitUntil('the request id is in the log', () => server.errors.includes(requestId ?? '-'));
  }
  expect(codes).toEqual([
    'NoSuchBucket',
    'AccessDenied',
    'BadRequest',
    'RequestHeaderSectionTooLarge',
    'BadRequest',
  ]);
});

test('a server whose log and output cannot be written goes on', async (context) => {
  if (process.platform !== 'linux') context.skip('/dev/full is there on Linux');
  await using folder = await temporaryFolder();
  const port = await freePort();
  await using server = HoldfastProcess.spawn({
    directory: join(folder.path, 'data'),
    arguments: ['--port', String(port)],
    wrapper: ['sh', '-c', 'exec "$@" >/dev/full 2>/dev/full', 'sh'],
  });
  await waitUntil('the server answers', async () => {
    if (server.hasEnded) throw new Error('it has ended');
    return await fetch(`http://127.0.0.1:${port}/_/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  // Each of these is a line in the log.
  for (let time = 0; time < 3; time++) {
    expect(await exchange(port, 'no HTTP at all\r\n\r\n')).toContain('BadRequest');
  }
  expect(await server.stop()).toBe(0);
});

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, 'close');
  return port;
}

/** All that comes back on a connection on which the text was sent. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  let answer = '';
  socket.on('data', (piece: string) => {
    answer += piece;
  });
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return answer;
}
