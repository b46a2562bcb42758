import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const MIB = 1024 * 1024;
const Bucket = 'bucket';
const customerKey = randomBytes(32);
const kmsKey = randomBytes(32).toString('hex');
const CUSTOMER = {
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: customerKey.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(customerKey).digest('base64'),
};

const KINDS = [
  ['c', CUSTOMER, CUSTOMER],
  ['s3', { ServerSideEncryption: 'AES256' }, {}],
  ['kms', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'one' }, {}],
] as const;

/** Any 63 bytes in a row have the marker in them. */
function marked(size: number, markers: Buffer[]): Buffer {
  const marker = randomBytes(32);
  markers.push(marker);
  return Buffer.alloc(size, marker);
}

async function put(s3: S3Client, Key: string, more: Partial<PutObjectCommandInput>): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket, Key, ...more }));
}

async function bytesOf(s3: S3Client, Key: string, more: object = {}): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

/** The files of a folder in which any of these bytes are. */
async function filesWith(folder: string, needles: readonly Buffer[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    if (needles.some((needle) => bytes.includes(needle))) found.push(entry.name);
  }
  return found;
}

/** Chunks that the store has committed. */
async function revisionOf(server: HoldfastProcess): Promise<number> {
  const text = await (await fetch(`${server.endpoint}/_/metrics`)).text();
  return Number(/^holdfast_kv_revision (\d+)/m.exec(text)?.[1]);
}

test('a kill in the middle of encrypted uploads leaves no plain byte, and what was acknowledged is read', async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, 'data');
  const kms = join(folder.path, 'kms.json');
  await writeFile(kms, JSON.stringify({ keys: { one: kmsKey } }));
  const start = { directory, arguments: ['--kms-key-file', kms, '--log-level', 'debug'] };
  const markers: Buffer[] = [];
  const bodies = new Map<string, Buffer>();
  const plain: Buffer[] = [];
  {
    await using server = await HoldfastProcess.start(start);
    const s3 = server.client();
    await s3.send(new CreateBucketCommand({ Bucket }));
    await put(s3, 'plain', { Body: marked(MIB, plain) });
    for (const [name, encrypted] of KINDS) {
      for (const size of [1000, 2 * MIB + 77]) {
        const Body = marked(size, markers);
        bodies.set(`${name}-${size}`, Body);
        await put(s3, `${name}-${size}`, { Body, ...encrypted });
      }
    }
    const before = await revisionOf(server);
    const uploads = KINDS.map(async ([name, encrypted]) => {
      const half = marked(4 * MIB, markers);
      const Body = Readable.from(
        (async function* () {
          yield half;
          await new Promise(() => {});
        })(),
      );
      await put(s3, `half-${name}`, { Body, ContentLength: 8 * MIB, ...encrypted });
    });
    const settled = Promise.allSettled(uploads);
    // Three chunks of each are whole and sealed; the fourth waits for its end.
    await waitUntil('nine chunks are stored', async () => (await revisionOf(server)) >= before + 9);
    const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
    await server.kill();
    expect((await settled).map(({ status }) => status)).toEqual(KINDS.map(() => 'rejected'));
    const said = `${server.output}${server.errors}${metrics}`;
    for (const secret of [CUSTOMER.SSECustomerKey, kmsKey, customerKey.toString('hex')]) {
      expect(said).not.toContain(secret);
    }
  }
  expect(await filesWith(directory, markers)).toEqual([]);
  expect((await filesWith(directory, plain)).length).toBeGreaterThan(0);
  const keys = [customerKey, Buffer.from(kmsKey, 'hex'), Buffer.from(kmsKey)];
  expect(await filesWith(directory, keys)).toEqual([]);
  await using server = await HoldfastProcess.start(start);
  const s3 = server.client();
  for (const [name, body] of bodies) {
    const key = name.startsWith('c-') ? CUSTOMER : {};
    expect([name, (await bytesOf(s3, name, key)).equals(body)]).toEqual([name, true]);
    if (body.length < MIB) continue;
    const range = await bytesOf(s3, name, { ...key, Range: `bytes=${MIB - 20}-${MIB + 20}` });
    expect(range.equals(body.subarray(MIB - 20, MIB + 21))).toBe(true);
  }
});

test('keys rotate changes the master key, and the older one may go when the log says so', async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, 'data');
  const file = join(folder.path, 'master');
  const options = ['--master-key-file', file];
  await writeFile(file, `${randomBytes(32).toString('hex')}\n`);
  const body = randomBytes(MIB + 5);
  {
    await using server = await HoldfastProcess.start({ directory, arguments: options });
    const s3 = server.client();
    await s3.send(new CreateBucketCommand({ Bucket }));
    await put(s3, 'k', { Body: body, ServerSideEncryption: 'AES256' });
    expect(await server.stop()).toBe(0);
  }
  const rotated = await runHoldfast(['keys', 'rotate', '--data', directory, ...options]);
  expect(rotated.exitCode).toBe(0);
  const listed = await runHoldfast(['keys', 'list', '--data', directory, ...options]);
  expect(listed.output).toMatch(/^[0-9a-f]{16} {2}present\n[0-9a-f]{16} {2}older\n$/);
  const [present = ''] = (await readFile(file, 'utf8')).split('\n');
  {
    await using server = await HoldfastProcess.start({ directory, arguments: options });
    await waitUntil('all data keys are sealed anew', () =>
      `${server.output}${server.errors}`.includes(
        'all data keys that open are sealed with the present keys',
      ),
    );
    expect(`${server.output}${server.errors}${rotated.output}`).not.toContain(present);
    expect(await server.stop()).toBe(0);
  }
  await writeFile(file, `${present}\n`);
  await using server = await HoldfastProcess.start({ directory, arguments: options });
  expect((await bytesOf(server.client(), 'k')).equals(body)).toBe(true);
  const wrong = await runHoldfast(['keys', 'list', '--data', directory]);
  expect([wrong.exitCode, wrong.errors]).toEqual([
    2,
    expect.stringContaining('There is no master key in'),
  ]);
});
