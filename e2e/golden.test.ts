import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { formatConstants } from './golden/format-constants.ts';
import type { GoldenRead } from './golden/golden-reads.ts';
import { ask, differences } from './golden/golden-reads.ts';
import type { Golden } from './golden/golden-set.ts';
import {
  changesOf,
  GOLDEN_FOLDER,
  goldenNames,
  readGolden,
  startOptions,
  USER,
  unpackSet,
} from './golden/golden-set.ts';
import { askFeed } from './harness/change-feed.ts';
import { Cluster } from './harness/cluster.ts';
import { ROOT, runHoldfast } from './harness/command.ts';
import { EventReceiver } from './harness/event-receiver.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';
import { reportProof } from './harness/proof-report.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const MIB = 1024 * 1024;
const Bucket = 'written-later';

const sets = goldenNames().map((name) => ({ name, golden: readGolden(name) }));
const backups = sets.filter(({ golden }) => golden.inBackup !== undefined);
const clusters = sets.filter(({ golden }) => golden.cluster !== undefined);

test.each(sets)(
  'the store of $name answers as it did, takes writes, and answers again',
  async ({ name, golden }) => {
    await using copy = await copyOf(name);
    await using receiver = await EventReceiver.open();
    const directory = join(copy.path, 'store');
    const hook = ['--webhook', `hook=${receiver.url}`];
    const options = startOptions(copy.path, directory, golden, ...hook);
    const violations: string[] = [];
    for (const isAgain of [false, true]) {
      await using server = await HoldfastProcess.start(options);
      violations.push(...(await differences(server.client(), golden.store)));
      await expectChanges(server, golden);
      if (golden.ownBuckets !== undefined) await expectOwner(server, golden.ownBuckets);
      if (isAgain) await expectMore(server.client());
      else await writeMore(server.client());
      await waitUntil('events that waited arrive', () => isTold(receiver, golden));
      expect(await server.stop()).toBe(0);
    }
    const verify = await runHoldfast(['verify', '--data', directory]);
    expect(verify.exitCode, verify.output).toBe(0);
    report(golden.store, violations);
  },
);

test.each(backups)('the backup of $name is restored', async ({ name, golden }) => {
  await using copy = await copyOf(name);
  const directory = join(copy.path, 'restored');
  const words = ['restore', '--from', join(copy.path, 'backup'), '--data', directory];
  const restored = await runHoldfast(words);
  expect(restored.exitCode, restored.errors).toBe(0);
  await using server = await HoldfastProcess.start(startOptions(copy.path, directory, golden));
  const reads = golden.store.slice(0, golden.inBackup);
  const violations = await differences(server.client(), reads);
  await writeMore(server.client());
  report(reads, violations);
});

test.each(clusters)('the three nodes of $name are a cluster again', async ({ name, golden }) => {
  await using copy = await copyOf(name);
  const { arguments: words = [] } = startOptions(copy.path, '', {});
  const directory = join(copy.path, 'cluster');
  await using cluster = await Cluster.start({ directory, arguments: words });
  const leader = await cluster.leader();
  const reads = golden.cluster ?? [];
  const violations: string[] = [];
  for (const at of cluster.all) violations.push(...(await differences(cluster.client(at), reads)));
  await writeMore(cluster.client(leader));
  for (const at of cluster.all) await expectMore(cluster.client(at));
  report(reads, violations);
});

test('every format version that this build writes is in a golden set', () => {
  const written = new Set(
    goldenNames().flatMap((name) => Object.entries(readGolden(name).formats).map(String)),
  );
  const missing = Object.entries(formatConstants(ROOT)).filter(
    (format) => !written.has(String(format)),
  );
  expect(missing, 'npm run golden -- --write NAME').toEqual([]);
});

test('the constants of the formats are found, and the versions of the past are kept', () => {
  const formats = formatConstants(ROOT);
  expect(Object.keys(formats).length).toBeGreaterThan(8);
  const versions = (constant: string): number[] =>
    goldenNames().flatMap((name) => readGolden(name).formats[constant] ?? []);
  expect(versions('packages/kv/src/table-format.ts TABLE_FORMAT_VERSION')).toContain(1);
  expect(formats).toHaveProperty(['packages/wal/src/layout.ts STATE_FORMAT_VERSION']);
});

test('all golden sets together are smaller than a MiB', async () => {
  let sizeBytes = 0;
  for (const entry of await readdir(GOLDEN_FOLDER, { recursive: true })) {
    const status = await stat(join(GOLDEN_FOLDER, entry));
    if (status.isFile()) sizeBytes += status.size;
  }
  expect(sizeBytes).toBeGreaterThan(0);
  expect(sizeBytes).toBeLessThan(MIB);
});

async function copyOf(name: string): Promise<Awaited<ReturnType<typeof temporaryFolder>>> {
  const folder = await temporaryFolder();
  await unpackSet(name, folder.path);
  return folder;
}

async function writeMore(client: S3Client): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket }));
  for (const size of [10, 5_000, 200_000]) {
    const Body = patternBytes(size, size);
    await client.send(new PutObjectCommand({ Bucket, Key: String(size), Body }));
  }
  await expectMore(client);
}

async function expectMore(client: S3Client): Promise<void> {
  for (const size of [10, 5_000, 200_000]) {
    const answer = await ask(client, 'GetObject', { Bucket, Key: String(size) });
    expect(answer).toMatchObject({ sha256: sha256(patternBytes(size, size)) });
  }
}

async function expectChanges(server: HoldfastProcess, { feed = [] }: Golden): Promise<void> {
  if (feed.length === 0) return;
  const answer = await askFeed(server.endpoint, 'limit=1000');
  expect(changesOf(answer).slice(0, feed.length)).toEqual(feed);
}

async function expectOwner(server: HoldfastProcess, names: readonly string[]): Promise<void> {
  const { Buckets } = await server.client({ credentials: USER }).send(new ListBucketsCommand({}));
  expect(Buckets?.map((bucket) => bucket.Name)).toEqual(names);
}

function isTold({ events }: EventReceiver, { events: waiting = [] }: Golden): boolean {
  const told = events.map(({ eventName, s3 }) => `${eventName} ${s3.object.key}`);
  return waiting.every((event) => told.includes(event));
}

function report(reads: readonly GoldenRead[], violations: readonly string[]): void {
  reportProof({
    part: 'golden folders',
    counts: { folders: 1, objects: reads.length, violations: violations.length },
  });
  expect(reads.length).toBeGreaterThan(0);
  expect(violations).toEqual([]);
}
