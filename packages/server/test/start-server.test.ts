import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Env } from '@holdfast/env';
import { ManualClock, MemoryFiles } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import type { ServerConfig } from '../src/server-config.ts';
import type { RunningServer } from '../src/start-server.ts';
import { startServer } from '../src/start-server.ts';

const credentials = { accessKeyId: 'somebody', secretAccessKey: 'a-secret-for-tests' };
const machine = await createNodeEnv();

interface Disk {
  readonly files: MemoryFiles;
  readonly env: Env;
}

function newDisk(): Disk {
  const files = new MemoryFiles({ clock: machine.clock });
  return { files, env: { ...machine, files } };
}

const start = ({ env }: Disk, more: Partial<ServerConfig> = {}): Promise<RunningServer> =>
  startServer({ env, directory: '/data', credentials, port: 0, ...more });

async function put(server: RunningServer, key: string, text: string): Promise<void> {
  const piece = new TextEncoder().encode(text);
  const pieces = (async function* () {
    yield piece;
  })();
  await server.objects.putObject({
    bucket: 'abc',
    key,
    body: { pieces },
    metadata: { user: {} },
  });
}

const names = async ({ objects }: RunningServer): Promise<string[]> =>
  (await objects.listBuckets({ limit: 100 })).buckets.map(({ name }) => name);

test('buckets of the configuration are made once and are there at the next start', async () => {
  const disk = newDisk();
  const first = await start(disk, { buckets: ['abc', 'xyz'] });
  await put(first, 'key', 'value');
  await first.stop();
  const second = await start(disk, { buckets: ['abc'] });
  expect(await names(second)).toEqual(['abc', 'xyz']);
  expect(await second.objects.headObject({ bucket: 'abc', key: 'key' })).toMatchObject({
    sizeBytes: 5,
  });
  await second.stop();
});

test('a start that fails gives the folder back', async () => {
  const disk = newDisk();
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(start(disk, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await expect(start(disk, { buckets: ['No'] })).rejects.toMatchObject({
    code: 'InvalidBucketName',
  });
  other.close();
  const server = await start(disk);
  await server.stop();
});

test('a clock before 1970 is refused by a sentence, and nothing is made', async () => {
  const { env, files } = newDisk();
  const clock = new ManualClock(-1);
  await expect(start({ env: { ...env, clock }, files })).rejects.toThrow(
    'The clock of this machine says 1969-12-31T23:59:59.999Z, which is before 1970. Set it, and start again.',
  );
  expect(files.operationCount).toBe(0);
});

test('a folder has one server at a time', async () => {
  const disk = newDisk();
  const server = await start(disk);
  await expect(start(disk)).rejects.toMatchObject({ cause: { code: 'FILE_LOCKED' } });
  await server.stop();
  await (await start(disk)).stop();
});

test('two servers in one process share neither data nor metrics', async () => {
  const one = await start(newDisk(), { buckets: ['abc'] });
  const two = await start(newDisk());
  expect(await names(two)).toEqual([]);
  await fetch(`http://127.0.0.1:${one.port}/abc`);
  const metrics = async ({ port }: RunningServer): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/_/metrics`)).text();
  expect(await metrics(one)).toContain('holdfast_requests_total{');
  expect(await metrics(two)).not.toContain('holdfast_requests_total{');
  await Promise.all([one.stop(), two.stop()]);
});

test('stop may be called again, and what was acknowledged survives a power cut after it', async () => {
  const disk = newDisk();
  const server = await start(disk, { buckets: ['abc'] });
  await put(server, 'key', 'value');
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();
  const files = disk.files.crash().files;
  const again = await start({ files, env: { ...machine, files } });
  expect(await again.objects.headObject({ bucket: 'abc', key: 'key' })).toMatchObject({
    sizeBytes: 5,
  });
  await again.stop();
});

test('a log that fails to sync is reported once, refuses further writes, and can still be stopped', async () => {
  const disk = newDisk();
  const server = await start(disk, { buckets: ['abc'] });
  disk.files.failWhen({
    code: 'FILE_IO',
    when: ({ kind, path }) => kind === 'writeSynced' && path.includes('/wal/'),
  });
  await expect(put(server, 'key', 'lost')).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
  expect(await server.failed).toMatchObject({ code: 'KV_UNAVAILABLE' });
  await expect(put(server, 'key', 'lost too')).rejects.toMatchObject({ code: 'KV_UNAVAILABLE' });
  const ready = await fetch(`http://127.0.0.1:${server.port}/_/health/ready`);
  expect(ready.status).toBe(503);
  const live = await fetch(`http://127.0.0.1:${server.port}/_/health/live`);
  expect(live.status).toBe(200);
  await server.stop({ graceMs: 0 }).catch(() => undefined);
  await expect(fetch(`http://127.0.0.1:${server.port}/_/health/live`)).rejects.toThrow();
});

test('without metrics their page is not there, and health still is', async () => {
  const server = await start(newDisk(), { metrics: false });
  const status = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${server.port}${path}`)).status;
  expect(await status('/_/metrics')).toBe(404);
  expect(await status('/_/health/ready')).toBe(200);
  await server.stop();
});

test('a start logs one line of what it read, cut and removed, step by step', async () => {
  const disk = newDisk();
  const lines: Record<string, unknown>[] = [];
  const record = (fields: object, message: string): void => {
    lines.push({ ...fields, message });
  };
  const log = { debug: record, info: record, warn: record, error: record };
  await (await start(disk, { buckets: ['abc'] })).stop();
  await (await start(disk, { log })).stop();
  const opened = lines.filter(({ message }) => message === 'store opened');
  expect(opened).toMatchObject([{ segments: 1, replayedRecords: 1, removedFiles: [] }]);
  expect(Object.keys(opened[0]?.['steps'] as object)).toEqual([
    'identity',
    'log',
    'index',
    'replay',
    'tidy',
  ]);
});

test('a server starts where no socket for commands can be made, and says so', async () => {
  const said: unknown[] = [];
  const note = (_: unknown, message: string): void => void said.push(message);
  const log = { debug: note, info: note, warn: note, error: note };
  // Below a file there is nothing to be made; of a file system without sockets it is the same.
  const controlPath = join(import.meta.filename, 'control', 'socket');
  const server = await start(newDisk(), { log, controlPath, buckets: ['abc'] });
  expect(await names(server)).toEqual(['abc']);
  await server.stop();
  expect(said).toContain('no socket for commands: it cannot be made there');
});

test('a request that takes longer than the limit is logged as slow', async () => {
  const slow: object[] = [];
  const quiet = (): void => undefined;
  const log = {
    debug: quiet,
    info: quiet,
    error: quiet,
    warn: (fields: object, message: string) => {
      if (message === 'slow request') slow.push(fields);
    },
  };
  const server = await start(newDisk(), { log, slowAfterMs: -1 });
  await fetch(`http://127.0.0.1:${server.port}/abc`);
  await server.stop();
  expect(slow).toMatchObject([{ status: 404 }]);
});
