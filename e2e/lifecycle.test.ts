import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { GetObjectCommand, ListBucketsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { expect, test } from 'vitest';
import { runCommand, runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const serve = (directory: string, words: string[] = [], environment: Record<string, string> = {}) =>
  runHoldfast(['serve', '--port', '0', '--data', directory, ...words], { environment });

test('generated keys are kept with mode 0600 and are the same after a restart', async () => {
  await using folder = await temporaryFolder();
  const keysOf = ({ output }: HoldfastProcess) => /access key +(\S+).*\n.*key +(\S+)/.exec(output);
  const start = () => HoldfastProcess.start({ directory: folder.path, environment: {} });
  const path = join(folder.path, 'credentials.json');
  let first: RegExpExecArray | null;
  {
    await using server = await start();
    first = keysOf(server);
    expect(await server.stop()).toBe(0);
  }
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
    accessKeyId: first?.[1],
    secretAccessKey: first?.[2],
  });
  await using again = await start();
  expect(keysOf(again)?.slice(1)).toEqual(first?.slice(1));
  const client = again.client({
    credentials: { accessKeyId: first?.[1] ?? '', secretAccessKey: first?.[2] ?? '' },
  });
  expect((await client.send(new ListBucketsCommand())).Buckets).toEqual([]);
});

test("MinIO's variables are understood", async () => {
  await using folder = await temporaryFolder();
  const environment = { MINIO_ROOT_USER: 'minio-user', MINIO_ROOT_PASSWORD: 'minio-password' };
  await using server = await HoldfastProcess.start({
    directory: folder.path,
    environment,
    arguments: ['--bucket', 'one,two'],
  });
  const client = server.client({
    credentials: { accessKeyId: 'minio-user', secretAccessKey: 'minio-password' },
  });
  const { Buckets } = await client.send(new ListBucketsCommand());
  expect(Buckets?.map(({ Name }) => Name)).toEqual(['one', 'two']);
});

test('half a pair of keys, and known defaults on an open address, are refused with code 2', async () => {
  await using folder = await temporaryFolder();
  const half = await serve(folder.path, [], { HOLDFAST_ACCESS_KEY: 'somebody' });
  expect(half.exitCode).toBe(2);
  expect(half.errors).toContain('HOLDFAST_ACCESS_KEY is set but HOLDFAST_SECRET_KEY is not.');
  const known = { MINIO_ROOT_USER: 'minioadmin', MINIO_ROOT_PASSWORD: 'minioadmin' };
  const open = await serve(folder.path, ['--host', '0.0.0.0'], known);
  expect(open.exitCode).toBe(2);
  expect(open.errors).toContain('is a well-known default, and 0.0.0.0 can be reached');
  await using local = await HoldfastProcess.start({ directory: folder.path, environment: known });
  expect(local.output).toContain('minioadmin');
});

test('a port in use is one sentence and exit code 1', async () => {
  await using folder = await temporaryFolder();
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const result = await serve(folder.path, ['--port', String(port)]);
  other.close();
  expect(result.exitCode).toBe(1);
  expect(result.errors).toBe(
    `holdfast: Port ${port} on 127.0.0.1 is in use by another program. Stop it, or choose another port with --port.\n`,
  );
});

test('a first start that is refused for what else it was told leaves no data folder behind', async () => {
  await using folder = await temporaryFolder();
  const bad = join(folder.path, 'bad');
  await writeFile(bad, 'no key');
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const data = join(folder.path, 'new', 'data');
  const init = join(folder.path, 'init');
  await writeFile(init, '{"buckets": ["No bucket"]}');
  const secret = join(folder.path, 'secret');
  await writeFile(secret, 's'.repeat(32), { mode: 0o600 });
  const member = ['--cluster', `n1=127.0.0.1:${port},n2=127.0.0.1:1`, '--node', 'n1'];
  const pair = { HOLDFAST_ACCESS_KEY: 'somebody', HOLDFAST_SECRET_KEY: 'some-secret-key' };
  for (const words of [
    ['--port', String(port)],
    ['--host', '192.0.2.1'],
    ['--master-key-file', bad],
    ['--kms-key-file', bad],
    ['--init', bad],
    ['--init', init],
    ['--bucket', 'No bucket'],
    [...member, '--cluster-secret-file', secret],
  ]) {
    const result = await serve(data, words, words.includes('--node') ? pair : {});
    expect(result.exitCode, words.join(' ')).toBeGreaterThan(0);
    expect(await readdir(folder.path), words.join(' ')).toEqual(['bad', 'init', 'secret']);
  }
  other.close();
});

test('an address of another machine is one sentence and exit code 1', async () => {
  await using folder = await temporaryFolder();
  const result = await serve(folder.path, ['--host', '192.0.2.1']);
  expect(result.exitCode).toBe(1);
  expect(result.errors).toContain('holdfast: 192.0.2.1 is not an address of this machine.');
});

test('a data folder that is a file, or cannot be written, is one sentence and exit code 1', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'file');
  await writeFile(file, 'not a folder');
  const onFile = await serve(file);
  expect(onFile.exitCode).toBe(1);
  expect(onFile.errors).toMatch(/^holdfast: .*\n$/);
  const locked = join(folder.path, 'locked');
  await mkdir(locked);
  await chmod(locked, 0o500);
  // To the superuser every folder is writable: there, a folder that no one can write.
  const unwritable = process.getuid?.() === 0 ? '/sys/holdfast' : locked;
  const result = await serve(unwritable);
  expect(result.exitCode).toBe(1);
  expect(result.errors).toMatch(/^holdfast: .*\n$/);
});

test('a second process on the same folder is refused, and the first goes on', async () => {
  await using folder = await temporaryFolder();
  await using first = await HoldfastProcess.start({ directory: folder.path });
  const second = await serve(folder.path);
  expect(second.exitCode).toBe(1);
  expect(second.errors).toContain(
    `holdfast: The data folder ${folder.path} is in use by another Holdfast process.`,
  );
  expect((await fetch(`${first.endpoint}/_/health/ready`)).status).toBe(200);
  const prompt = await runHoldfast(['kv', '--data', folder.path], { input: 'SIZE\n' });
  expect(prompt.exitCode).toBe(1);
  expect(prompt.errors).toContain(`The data folder ${folder.path} is in use`);
});

test('health, metrics and the alias of MinIO answer without keys, and S3 does not', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({
    directory: folder.path,
    arguments: ['--bucket', 'photos'],
  });
  for (const path of ['/_/health/live', '/_/health/ready', '/minio/health/live']) {
    expect((await fetch(`${server.endpoint}${path}`)).status, path).toBe(200);
  }
  expect((await fetch(`${server.endpoint}/photos/a`)).status).toBe(403);
  expect((await fetch(`${server.endpoint}/_/nothing`)).status).toBe(404);
  const client = server.client();
  await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'a', Body: 'hello' }));
  await client.send(new GetObjectCommand({ Bucket: 'photos', Key: 'a' }));
  const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
  expect(metrics).toContain('holdfast_requests_total{operation="PutObject",status="200"} 1');
  // The one without keys is known to have asked for an object, and is counted as refused.
  expect(metrics).toContain('holdfast_requests_total{operation="GetObject",status="403"} 1');
  expect(metrics).toContain('holdfast_requests_total{operation="GetObject",status="200"} 1');
  expect(metrics).toContain('holdfast_request_duration_seconds_count{operation="GetObject"} 2');
  expect(metrics).toMatch(/^holdfast_wal_appended_records_total [1-9]/m);
  expect(metrics).toMatch(/^holdfast_wal_sync_seconds_total \d/m);
  expect(metrics).toMatch(/^process_resident_memory_bytes [1-9]/m);
  expect(metrics).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} during a slow upload lets it finish, refuses new ones, and exits with 0`, async () => {
    await using folder = await temporaryFolder();
    const directory = folder.path;
    await using server = await HoldfastProcess.start({
      directory,
      arguments: ['--bucket', 'slow'],
    });
    const command = new PutObjectCommand({ Bucket: 'slow', Key: 'upload' });
    const url = await getSignedUrl(server.client(), command);
    const upload = request(url, { method: 'PUT', headers: { 'content-length': '200000' } });
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
    upload.write(Buffer.alloc(100_000, 'a'));
    await waitUntil('the upload is in flight', async () => {
      const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
      return /^holdfast_requests_in_flight 2$/m.test(metrics);
    });
    server.signal(signal);
    await waitUntil('the stop has begun', () => server.errors.includes('stopping'));
    await expect(fetch(`${server.endpoint}/_/health/live`)).rejects.toThrow();
    upload.end(Buffer.alloc(100_000, 'b'));
    const [answer] = await answered;
    expect(answer.statusCode).toBe(200);
    answer.resume();
    expect(await server.stopped()).toBe(0);
    await using again = await HoldfastProcess.start({ directory });
    const object = await again
      .client()
      .send(new GetObjectCommand({ Bucket: 'slow', Key: 'upload' }));
    const text = await object.Body?.transformToString();
    expect(text).toBe('a'.repeat(100_000) + 'b'.repeat(100_000));
  });
}

test('an upload that stands still does not hold up the end for more than 10 s', async () => {
  await using folder = await temporaryFolder();
  const directory = folder.path;
  await using server = await HoldfastProcess.start({ directory, arguments: ['--bucket', 'slow'] });
  const command = new PutObjectCommand({ Bucket: 'slow', Key: 'stuck' });
  const url = await getSignedUrl(server.client(), command);
  const upload = request(url, { method: 'PUT', headers: { 'content-length': '200000' } });
  const cut = once(upload, 'error');
  upload.write('begun');
  await waitUntil('the upload is in flight', async () => {
    const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
    return /^holdfast_requests_in_flight 2$/m.test(metrics);
  });
  server.signal('SIGTERM');
  // A stop that takes longer than that ends with 1.
  expect(await server.stopped()).toBe(0);
  await cut;
});

test('a second signal ends the process at once', async () => {
  await using folder = await temporaryFolder();
  const directory = folder.path;
  await using server = await HoldfastProcess.start({ directory, arguments: ['--bucket', 'slow'] });
  const command = new PutObjectCommand({ Bucket: 'slow', Key: 'stuck' });
  const url = await getSignedUrl(server.client(), command);
  const upload = request(url, { method: 'PUT', headers: { 'content-length': '200000' } });
  upload.on('error', () => undefined);
  upload.write('begun');
  await waitUntil('the upload is in flight', async () => {
    const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
    return /^holdfast_requests_in_flight 2$/m.test(metrics);
  });
  server.signal('SIGINT');
  await waitUntil('the stop has begun', () => server.errors.includes('stopping'));
  await waitUntil('the process has heard a second signal', () => {
    server.signal('SIGINT');
    return server.errors.includes('second signal');
  });
  expect(await server.exitCode()).toBe(1);
});

test('a damaged log is one sentence and exit code 1, and the folder is left as it is', async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  {
    await using server = await HoldfastProcess.start({
      directory: path,
      arguments: ['--bucket', 'b1b'],
    });
    const client = server.client();
    for (let at = 0; at < 50; at++) {
      await client.send(
        new PutObjectCommand({ Bucket: 'b1b', Key: `k${at}`, Body: 'x'.repeat(4000) }),
      );
    }
    await server.kill();
  }
  const segment = await damageLargestFile(path);
  const result = await serve(path);
  expect(result.errors).toMatch(/^holdfast: The log in .* is damaged, and nothing was changed: /);
  expect(result.errors.trim().split('\n')).toHaveLength(1);
  expect(result.exitCode).toBe(1);
  expect(segment).toContain(path);
  const inspected = await runHoldfast(['wal', 'inspect', path]);
  expect(inspected.exitCode).toBe(1);
  expect(inspected.output).toContain('is damaged, or torn by a crash');
});

test('a disk that refuses a write ends the process with a sentence, and what was acknowledged stays', async (context) => {
  const { exitCode } = await runCommand('sh', ['-c', 'command -v prlimit']);
  context.skip(exitCode !== 0, 'no prlimit on this system to make writes fail with');
  await using folder = await temporaryFolder();
  const options = { directory: folder.path, arguments: ['--bucket', 'abc'] };
  await using server = await HoldfastProcess.start(options);
  const put = (Key: string, sizeBytes: number) =>
    server
      .client()
      .send(new PutObjectCommand({ Bucket: 'abc', Key, Body: Buffer.alloc(sizeBytes, Key) }));
  await put('before', 1000);
  // From now on no file may grow beyond 1 MB: the next large write fails as on a broken disk.
  await runCommand('prlimit', ['--pid', String(server.processId), '--fsize=1000000:1000000']);
  await expect(put('after', 3_000_000)).rejects.toThrow();
  expect(await server.exitCode()).toBe(1);
  expect(server.errors).toMatch(/^holdfast: Writing to .* failed: .*EFBIG.*$/m);
  await using again = await HoldfastProcess.start(options);
  const client = again.client();
  const kept = await client.send(new GetObjectCommand({ Bucket: 'abc', Key: 'before' }));
  expect(await kept.Body?.transformToString()).toBe('before'.repeat(167).slice(0, 1000));
  await expect(
    client.send(new GetObjectCommand({ Bucket: 'abc', Key: 'after' })),
  ).rejects.toMatchObject({ name: 'NoSuchKey' });
});

/** Flips bits in the middle of the first records of the log: far below what may be torn. */
async function damageLargestFile(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true });
  let largest = { path: '', size: -1 };
  for (const name of names) {
    const path = join(folder, name);
    const info = await stat(path);
    if (info.isFile() && info.size > largest.size && /wal/.test(name)) {
      const head = await readFile(path);
      if (head.subarray(8_192, 40_000).some((byte) => byte !== 0))
        largest = { path, size: info.size };
    }
  }
  const bytes = await readFile(largest.path);
  for (let at = 20_000; at < 20_016; at++) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
  await writeFile(largest.path, bytes);
  return largest.path;
}
