/** Keys of the operator's: made, rotated, missed, and never plain bytes or keys on the disk. */
import { randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Env } from '@holdfast/env';
import { MemoryFiles } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import type { EncryptionRequest } from '@holdfast/objects';
import { expect, test } from 'vitest';
import { rotateMasterKey } from '../../src/keys/master-key-file.ts';
import { readNamedKeys } from '../../src/keys/named-key-file.ts';
import type { Log } from '../../src/log.ts';
import { silentLog } from '../../src/log.ts';
import type { ServerConfig } from '../../src/server-config.ts';
import type { RunningServer } from '../../src/start-server.ts';
import { startServer } from '../../src/start-server.ts';

const credentials = { accessKeyId: 'somebody', secretAccessKey: 'a-secret-for-tests' };
const machine = await createNodeEnv();
const MIB = 1024 * 1024;
const Bucket = 'bucket';

interface Disk {
  readonly files: MemoryFiles;
  readonly env: Env;
}

function newDisk(): Disk {
  const files = new MemoryFiles({ clock: machine.clock });
  return { files, env: { ...machine, files } };
}

interface Running extends AsyncDisposable {
  readonly server: RunningServer;
  readonly s3: S3Client;
}

async function start({ env }: Disk, more: Partial<ServerConfig> = {}): Promise<Running> {
  const config = { env, directory: '/data', credentials, port: 0, metrics: false, ...more };
  const server = await startServer(config);
  const s3 = new S3Client({
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials,
  });
  return {
    server,
    s3,
    [Symbol.asyncDispose]: async () => {
      s3.destroy();
      await server.stop();
    },
  };
}

async function put(s3: S3Client, Key: string, more: Partial<PutObjectCommandInput>): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket, Key, ...more }));
}

async function bytesOf(s3: S3Client, Key: string, more: object = {}): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

async function writeFile(files: MemoryFiles, path: string, text: string): Promise<void> {
  const file = await files.open(path, 'create');
  await file.write(Buffer.from(text), 0);
  await file.sync();
  await file.close();
}

async function readText(files: MemoryFiles, path: string): Promise<string> {
  const file = await files.open(path, 'read');
  const bytes = new Uint8Array((await files.stat(path))?.sizeBytes ?? 0);
  await file.read(bytes, 0);
  await file.close();
  return Buffer.from(bytes).toString();
}

async function everyByte(files: MemoryFiles, folder: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (const name of await files.list(folder)) {
    const path = `${folder}/${name}`;
    const stat = await files.stat(path);
    if (stat?.kind === 'directory') {
      pieces.push(await everyByte(files, path));
      continue;
    }
    const file = await files.open(path, 'read');
    const bytes = new Uint8Array(stat?.sizeBytes ?? 0);
    await file.read(bytes, 0);
    await file.close();
    pieces.push(bytes);
  }
  return Buffer.concat(pieces);
}

/** A log that resolves when a message is logged, and keeps all that was. */
function watchLog(): {
  readonly log: Log;
  readonly seen: string[];
  said(message: string): Promise<void>;
} {
  const seen: string[] = [];
  const waiting: { readonly message: string; readonly resolve: () => void }[] = [];
  const note = (fields: object, message: string): void => {
    seen.push(`${message} ${JSON.stringify(fields)}`);
    for (const one of waiting) if (message.includes(one.message)) one.resolve();
  };
  return {
    log: { ...silentLog, debug: note, info: note, warn: note, error: note },
    seen,
    said: (message) =>
      new Promise((resolve) => {
        if (seen.some((line) => line.includes(message))) resolve();
        else waiting.push({ message, resolve });
      }),
  };
}

const kmsKey = randomBytes(32).toString('hex');
const KMS_FILE = JSON.stringify({ keys: { one: kmsKey } });
const customerKey = randomBytes(32);
const customer = {
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: customerKey.toString('base64'),
  SSECustomerKeyMD5: Buffer.from(
    machine.digests.compute(['md5'], customerKey).get('md5') ?? [],
  ).toString('base64'),
};

interface Kind {
  readonly name: string;
  /** Of a write, and of a read or a part. */
  readonly encrypted: object;
  readonly key: object;
  readonly source: object;
  readonly request: EncryptionRequest;
}

const KINDS: readonly Kind[] = [
  {
    name: 'SSE-C',
    encrypted: customer,
    key: customer,
    source: {
      CopySourceSSECustomerAlgorithm: customer.SSECustomerAlgorithm,
      CopySourceSSECustomerKey: customer.SSECustomerKey,
      CopySourceSSECustomerKeyMD5: customer.SSECustomerKeyMD5,
    },
    request: { kind: 'customer', key: customerKey },
  },
  {
    name: 'SSE-S3',
    encrypted: { ServerSideEncryption: 'AES256' },
    key: {},
    source: {},
    request: { kind: 'master' },
  },
  {
    name: 'SSE-KMS',
    encrypted: { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'one' },
    key: {},
    source: {},
    request: { kind: 'named', keyId: 'one' },
  },
];

/** Bodies of which any 63 bytes in a row have a marker in them, and the markers. */
class MarkedBodies {
  readonly markers: Buffer[] = [];

  make(size: number): Buffer {
    const marker = randomBytes(32);
    this.markers.push(marker);
    return Buffer.alloc(size, marker);
  }
}

/** Writes of every kind, all read back. */
async function writeEverything(
  { s3, server }: Running,
  kind: Kind,
  bodies: MarkedBodies,
): Promise<void> {
  const sizes = { small: 1000, inline: 100_000, large: 3 * MIB + 17, exact: 2 * (MIB - 16) };
  const expected = new Map<string, Buffer>();
  for (const [name, size] of Object.entries(sizes)) {
    const Body = bodies.make(size);
    expected.set(name, Body);
    await put(s3, name, { Body, ...kind.encrypted });
  }
  const CopySource = `${Bucket}/large`;
  const copy = { Bucket, Key: 'copy', CopySource, ...kind.encrypted, ...kind.source };
  await s3.send(new CopyObjectCommand(copy));
  expected.set('copy', expected.get('large') as Buffer);
  expected.set('parts', await writeParts(s3, kind, bodies));
  await expect(breakOff(server, kind, bodies)).rejects.toThrow('the client left');
  for (const [name, body] of expected) {
    expect([name, (await bytesOf(s3, name, kind.key)).equals(body)]).toEqual([name, true]);
  }
}

/** Completes the first of two parts. */
async function writeParts(s3: S3Client, kind: Kind, bodies: MarkedBodies): Promise<Buffer> {
  const address = { Bucket, Key: 'parts' };
  const create = new CreateMultipartUploadCommand({ ...address, ...kind.encrypted });
  const { UploadId } = await s3.send(create);
  const upload = (PartNumber: number, Body: Buffer) =>
    s3.send(new UploadPartCommand({ ...address, UploadId, PartNumber, Body, ...kind.key }));
  const body = bodies.make(5 * MIB + 3);
  const { ETag } = await upload(1, body);
  await upload(2, bodies.make(900));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const complete = { ...address, UploadId, MultipartUpload, ...kind.key };
  await s3.send(new CompleteMultipartUploadCommand(complete));
  return body;
}

/** An upload whose client leaves after two chunks. */
async function breakOff(server: RunningServer, kind: Kind, bodies: MarkedBodies): Promise<unknown> {
  const pieces = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield bodies.make(2 * MIB + 500);
    throw new Error('the client left');
  };
  return await server.objects.putObject({
    bucket: Bucket,
    key: 'broken',
    metadata: { user: {} },
    encryption: kind.request,
    body: { pieces: pieces() },
  });
}

test.each(KINDS)('no plain byte and no key is anywhere in the data folder: $name', async (kind) => {
  const disk = newDisk();
  const master = randomBytes(32).toString('hex');
  await writeFile(disk.files, '/kms.json', KMS_FILE);
  await writeFile(disk.files, '/master', `${master}\n`);
  const bodies = new MarkedBodies();
  const plain = new MarkedBodies();
  {
    const options = { namedKeyPath: '/kms.json', masterKeyPath: '/master' };
    await using running = await start(disk, options);
    await running.s3.send(new CreateBucketCommand({ Bucket }));
    await writeEverything(running, kind, bodies);
    await put(running.s3, 'plain', { Body: plain.make(2 * MIB) });
  }
  const folder = await everyByte(disk.files, '/data');
  for (const marker of bodies.markers) expect(folder.includes(marker)).toBe(false);
  // The search finds what is there.
  for (const marker of plain.markers) expect(folder.includes(marker)).toBe(true);
  for (const secret of [customerKey, Buffer.from(kmsKey, 'hex'), Buffer.from(master, 'hex')]) {
    expect(folder.includes(secret)).toBe(false);
    expect(folder.includes(secret.toString('hex'))).toBe(false);
    expect(folder.includes(secret.toString('base64'))).toBe(false);
  }
});

test('the master key is made when the first object asks for it, and reads it after a start', async () => {
  const disk = newDisk();
  {
    await using running = await start(disk);
    await running.s3.send(new CreateBucketCommand({ Bucket }));
    await put(running.s3, 'plain', { Body: 'x' });
    expect(await disk.files.list('/data')).not.toContain('master.key');
    await put(running.s3, 'k', { Body: 'sealed', ServerSideEncryption: 'AES256' });
    expect(await disk.files.list('/data')).toContain('master.key');
  }
  await using again = await start(disk);
  expect((await bytesOf(again.s3, 'k')).toString()).toBe('sealed');
});

test('a server does not start without a master key with which objects are sealed', async () => {
  const disk = newDisk();
  {
    await using running = await start(disk);
    await running.s3.send(new CreateBucketCommand({ Bucket }));
    await put(running.s3, 'k', { Body: 'sealed', ServerSideEncryption: 'AES256' });
  }
  await disk.files.rename('/data/master.key', '/elsewhere');
  await expect(start(disk)).rejects.toThrow('There is no master key in /data/master.key');
  await writeFile(disk.files, '/data/master.key', `${'0'.repeat(64)}\n`);
  await expect(start(disk)).rejects.toThrow(/The master key [0-9a-f]{16} is not in/);
  await using again = await start(disk, { masterKeyPath: '/elsewhere' });
  expect((await bytesOf(again.s3, 'k')).toString()).toBe('sealed');
});

test('a server does not start where the file that is named for the master key is missing or no key', async () => {
  const disk = newDisk();
  const options = { masterKeyPath: '/typo' };
  await expect(start(disk, options)).rejects.toThrow('There is no master key in /typo.');
  await writeFile(disk.files, '/typo', 'no key\n');
  await expect(start(disk, options)).rejects.toThrow('must be 64 hexadecimal digits');
});

test('after a rotation all is read, sealed anew, and the older key may go', async () => {
  const disk = newDisk();
  const init = { users: [{ id: 'alice', accessKey: 'ALICE', secretKey: 'a-long-secret-of-hers' }] };
  const encrypted = { ServerSideEncryption: 'AES256' } as const;
  const body = randomBytes(2 * MIB + 5);
  let UploadId: string | undefined;
  let before = '';
  {
    await using running = await start(disk, { init });
    const { s3 } = running;
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
    await put(s3, 'k', { Body: 'old', ...encrypted });
    await put(s3, 'k', { Body: body, ...encrypted });
    await put(s3, 'plain', { Body: 'plain' });
    const create = new CreateMultipartUploadCommand({ Bucket, Key: 'm', ...encrypted });
    ({ UploadId } = await s3.send(create));
    before = await readText(disk.files, '/data/master.key');
  }
  await rotateMasterKey({ env: disk.env, directory: '/data' });
  const both = await readText(disk.files, '/data/master.key');
  expect(both.endsWith(before)).toBe(true);
  expect(both.trim().split('\n').length).toBe(2);
  const watch = watchLog();
  {
    await using running = await start(disk, { log: watch.log });
    expect((await bytesOf(running.s3, 'k')).equals(body)).toBe(true);
    await watch.said('all data keys that open are sealed with the present keys');
    expect(watch.seen.find((line) => line.includes('all data keys'))).toContain('"rewrapped":3');
  }
  // Without the older key: objects, older versions, uploads and users still open.
  await disk.files.rename('/data/master.key', '/away');
  await writeFile(disk.files, '/data/master.key', `${both.split('\n')[0]}\n`);
  await using running = await start(disk);
  const { s3 } = running;
  expect((await bytesOf(s3, 'k')).equals(body)).toBe(true);
  const versions = await running.server.objects.listObjectVersions({ bucket: Bucket, limit: 10 });
  const oldest = versions.versions.filter(({ key }) => key === 'k').at(-1);
  expect((await bytesOf(s3, 'k', { VersionId: oldest?.versionId })).toString()).toBe('old');
  const address = { Bucket, Key: 'm', UploadId };
  const { ETag } = await s3.send(new UploadPartCommand({ ...address, PartNumber: 1, Body: 'p' }));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  await s3.send(new CompleteMultipartUploadCommand({ ...address, MultipartUpload }));
  expect((await bytesOf(s3, 'm')).toString()).toBe('p');
});

test('a rotation that a stop interrupted goes on at the next start', async () => {
  const disk = newDisk();
  {
    await using running = await start(disk);
    await running.s3.send(new CreateBucketCommand({ Bucket }));
    await put(running.s3, 'k', { Body: 'sealed', ServerSideEncryption: 'AES256' });
    const report = await running.server.objects.rewrapKeys(() => true);
    expect(report).toEqual({ rewrapped: 0, failed: 0, whole: false });
  }
  await rotateMasterKey({ env: disk.env, directory: '/data' });
  await rotateMasterKey({ env: disk.env, directory: '/data' });
  const watch = watchLog();
  await using running = await start(disk, { log: watch.log });
  await watch.said('all data keys that open are sealed with the present keys');
  expect(await running.server.objects.rewrapKeys()).toEqual({
    rewrapped: 0,
    failed: 0,
    whole: true,
  });
});

test('a named key that was thrown away does not hold up the rotation of the master key', async () => {
  const disk = newDisk();
  await writeFile(disk.files, '/kms', KMS_FILE);
  {
    await using running = await start(disk, { namedKeyPath: '/kms' });
    const { s3 } = running;
    await s3.send(new CreateBucketCommand({ Bucket }));
    await put(s3, 'k', { Body: 'kept', ServerSideEncryption: 'AES256' });
    await put(s3, 'lost', { Body: 'x', ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'one' });
  }
  await writeFile(disk.files, '/other', JSON.stringify({ keys: { two: kmsKey } }));
  const keys = await rotateMasterKey({ env: disk.env, directory: '/data' });
  const watch = watchLog();
  {
    await using running = await start(disk, { namedKeyPath: '/other', log: watch.log });
    await watch.said('all data keys that open are sealed with the present keys');
    await watch.said('their objects are lost');
    expect((await bytesOf(running.s3, 'k')).toString()).toBe('kept');
  }
  await disk.files.rename('/data/master.key', '/away');
  await writeFile(
    disk.files,
    '/data/master.key',
    `${Buffer.from(keys[0] ?? []).toString('hex')}\n`,
  );
  await using running = await start(disk, { namedKeyPath: '/other' });
  expect((await bytesOf(running.s3, 'k')).toString()).toBe('kept');
});

test('named keys are rotated in their file, and a key that is gone is the answer to a read', async () => {
  const disk = newDisk();
  const younger = randomBytes(32).toString('hex');
  const encrypted = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'one' } as const;
  await writeFile(disk.files, '/kms', KMS_FILE);
  {
    await using running = await start(disk, { namedKeyPath: '/kms' });
    await running.s3.send(new CreateBucketCommand({ Bucket }));
    await put(running.s3, 'k', { Body: 'sealed', ...encrypted });
  }
  await writeFile(disk.files, '/both', JSON.stringify({ keys: { one: [younger, kmsKey] } }));
  const watch = watchLog();
  {
    await using running = await start(disk, { namedKeyPath: '/both', log: watch.log });
    await watch.said('all data keys that open are sealed with the present keys');
    expect((await bytesOf(running.s3, 'k')).toString()).toBe('sealed');
  }
  await writeFile(disk.files, '/young', JSON.stringify({ keys: { one: younger } }));
  {
    await using running = await start(disk, { namedKeyPath: '/young' });
    expect((await bytesOf(running.s3, 'k')).toString()).toBe('sealed');
  }
  const without = watchLog();
  await using running = await start(disk, { log: without.log });
  await without.said('not in --kms-key-file');
  await expect(bytesOf(running.s3, 'k')).rejects.toMatchObject({
    name: 'KMS.NotFoundException',
    $metadata: { httpStatusCode: 400 },
  });
  for (const key of [kmsKey, younger]) {
    expect([...watch.seen, ...without.seen].join('\n')).not.toContain(key);
  }
});

test('a key file that is wrong is refused, and what is in it is not said', async () => {
  const disk = newDisk();
  const secret = 'f'.repeat(63);
  const wrong = [
    secret,
    JSON.stringify({ keys: { one: secret } }),
    JSON.stringify({ keys: { one: [] } }),
    JSON.stringify({ keys: { 'a b': kmsKey } }),
    JSON.stringify({ default: 'two', keys: { one: kmsKey } }),
    JSON.stringify({ keys: { one: kmsKey }, more: secret }),
  ];
  for (const [at, text] of wrong.entries()) {
    await writeFile(disk.files, `/kms${at}`, text);
    const error: unknown = await readNamedKeys(disk.env, `/kms${at}`).catch((e: unknown) => e);
    expect(String(error)).toMatch(/must be JSON|default key/);
    expect(String(error)).not.toContain(secret);
  }
  await expect(readNamedKeys(disk.env, '/nowhere')).rejects.toThrow('There is no key file');
  await writeFile(disk.files, '/data.key', `${kmsKey}\n${secret}\n`);
  const place = { env: disk.env, directory: '/data', path: '/data.key' };
  await expect(rotateMasterKey(place)).rejects.toThrow('must be 64 hexadecimal digits');
  expect(await readText(disk.files, '/data.key')).toBe(`${kmsKey}\n${secret}\n`);
});
