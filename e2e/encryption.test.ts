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
import { Cluster } from './harness/cluster.ts';
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
  // Who forgets the option, or mistypes it, has no key made beside the one that counts.
  for (const what of ['list', 'rotate']) {
    const without = await runHoldfast(['keys', what, '--data', directory]);
    expect([without.exitCode, without.errors]).toEqual([
      2,
      expect.stringContaining('It is made when something is first sealed with it'),
    ]);
    const other = ['--master-key-file', `${file}-2`];
    const mistyped = await runHoldfast(['keys', what, '--data', directory, ...other]);
    expect([mistyped.exitCode, mistyped.errors]).toEqual([
      2,
      expect.stringContaining(`There is no master key in ${file}-2.`),
    ]);
  }
  expect((await readdir(folder.path)).sort()).toEqual(['data', 'master']);
  expect(await readdir(directory)).not.toContain('master.key');
});

test('a cluster changes its master key node by node, though one is killed, and then does without the older one', async () => {
  await using folder = await temporaryFolder();
  const files = [0, 1, 2].map((at) => join(folder.path, `master-${at}`));
  const [older, present] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  const spawn = (at: number) => cluster.spawn(at, ['--master-key-file', files[at] ?? '']);
  await using cluster = await Cluster.prepare({ directory: join(folder.path, 'nodes') });
  for (const file of files) await writeFile(file, `${older}\n`);
  await Promise.all(cluster.all.map((at) => spawn(at).ready()));
  const s3 = cluster.balanced();
  await s3.send(new CreateBucketCommand({ Bucket }));
  const body = randomBytes(MIB + 5);
  await put(s3, 'k', { Body: body, ServerSideEncryption: 'AES256' });
  for (const at of cluster.all) {
    await cluster.node(at).kill();
    await writeFile(files[at] as string, `${present}\n${older}\n`);
    await spawn(at).ready();
  }
  const said = (at: number) => `${cluster.node(at).output}${cluster.node(at).errors}`;
  await waitUntil('the new key seals', () =>
    cluster.all.some((at) => said(at).includes('every node has the new master key')),
  );
  await put(s3, 'later', { Body: body, ServerSideEncryption: 'AES256' });
  const leader = await cluster.leader();
  await cluster.node(leader).kill();
  const before = said(leader);
  // It comes back with the older key only, and is told what it lacks.
  await writeFile(files[leader] as string, `${older}\n`);
  const wrong = spawn(leader);
  expect(await wrong.exitCode()).toBe(2);
  expect(wrong.errors).toMatch(/The master key [0-9a-f]{16} is not in/);
  await writeFile(files[leader] as string, `${present}\n${older}\n`);
  await spawn(leader).ready();
  await waitUntil('the older key may go', () =>
    [before, ...cluster.all.map(said)].some((text) =>
      text.includes('the unused ones may leave the key files'),
    ),
  );
  for (const at of cluster.all) {
    await cluster.node(at).stop();
    await writeFile(files[at] as string, `${present}\n`);
    await spawn(at).ready();
  }
  for (const at of cluster.all) {
    expect((await bytesOf(cluster.client(at), 'k')).equals(body)).toBe(true);
    expect((await bytesOf(cluster.client(at), 'later')).equals(body)).toBe(true);
    expect(said(at)).not.toContain(present);
  }
});
