import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import type { Change, FeedAnswer } from './harness/change-feed.ts';
import { askFeed, curlArguments } from './harness/change-feed.ts';
import type { HoldfastOptions } from './harness/holdfast-process.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const optionsFor = (folder: string, ...words: string[]): HoldfastOptions => ({
  directory: join(folder, 'data'),
  arguments: ['--bucket', 'feed-a', '--keep-changes', '1h', ...words],
});

/** Resolves when the server has so many requests, with the one that asks. */
async function untilInFlight(server: HoldfastProcess, count: number): Promise<void> {
  await waitUntil(
    `${count} requests are in flight`,
    async () => {
      const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
      return metrics.includes(`\nholdfast_requests_in_flight ${count}\n`);
    },
    // Less than what is waited for below.
    30_000,
  );
}

/** Everything after the cursor, page by page. */
async function readOn(server: HoldfastProcess, from: string, found: Change[]): Promise<string> {
  for (let after = from; ; ) {
    const { changes, cursor, more } = await askFeed(server.endpoint, `${after}&limit=7`);
    found.push(...changes);
    after = `after=${cursor}`;
    if (!more) return after;
  }
}

const put = (s3: S3Client, Bucket: string, Key: string): Promise<unknown> =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));

test('each change comes once and in order, across a kill and a restart, from a cursor that was kept', async () => {
  await using folder = await temporaryFolder();
  const found: Change[] = [];
  const keys: string[] = [];
  let after = 'bucket=feed-a';
  for (let round = 0; round < 3; round++) {
    await using server = await HoldfastProcess.start(optionsFor(folder.path));
    const s3 = server.client();
    for (let number = 0; number < 10; number++) {
      await put(s3, 'feed-a', `${round}-${number}`);
      keys.push(`${round}-${number}`);
    }
    after = await readOn(server, after, found);
    // Acknowledged after the last look: to be read by the next process.
    await put(s3, 'feed-a', `${round}-last`);
    keys.push(`${round}-last`);
    if (round === 1) expect(await server.stop()).toBe(0);
    else await server.kill();
  }
  await using server = await HoldfastProcess.start(optionsFor(folder.path));
  await readOn(server, after, found);
  expect(found.map(({ key }) => key)).toEqual(keys);
  const revisions = found.map(({ revision }) => revision);
  expect(revisions).toEqual(revisions.toSorted((left, right) => left - right));
  expect(new Set(found.map(({ cursor }) => cursor)).size).toBe(found.length);
});

test('a wait ends with the next change of the bucket that is asked for', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start(optionsFor(folder.path));
  const s3 = server.client();
  await s3.send(new CreateBucketCommand({ Bucket: 'feed-b' }));
  const { cursor } = await askFeed(server.endpoint, 'after=newest');
  const waiting = askFeed(server.endpoint, `after=${cursor}&bucket=feed-b&wait=60`);
  await untilInFlight(server, 2);
  await put(s3, 'feed-a', 'not asked for');
  await put(s3, 'feed-b', 'asked for');
  const { changes } = await waiting;
  expect(changes.map(({ bucket, key }) => [bucket, key])).toEqual([['feed-b', 'asked for']]);
  await s3.send(new DeleteObjectCommand({ Bucket: 'feed-b', Key: 'asked for' }));
  const both = await askFeed(server.endpoint, `after=${cursor}&bucket=feed-b`);
  expect(both.changes.map(({ event }) => event)).toEqual([
    'ObjectCreated:Put',
    'ObjectRemoved:Delete',
  ]);
});

test('a wait ends when its client is gone', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start(optionsFor(folder.path));
  const client = spawn('curl', curlArguments(server.endpoint, 'after=newest&wait=60'));
  await untilInFlight(server, 2);
  client.kill('SIGKILL');
  await untilInFlight(server, 1);
});

test('a stop ends a wait at once', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start(optionsFor(folder.path));
  const waiting = askFeed(server.endpoint, 'after=newest&wait=60');
  await untilInFlight(server, 2);
  expect(await server.stop()).toBe(0);
  // What still waited eight seconds later would be cut, and have no answer.
  expect(await waiting).toMatchObject({ status: 200, changes: [], more: false });
});

test('a cursor whose changes are gone, or that is of another store, is refused with a clear error', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start(optionsFor(folder.path, '--keep-changes', '1s'));
  const s3 = server.client();
  const { cursor } = await askFeed(server.endpoint, 'after=newest');
  await put(s3, 'feed-a', '1');
  await waitUntil('the change is trimmed', async () => {
    return (await askFeed(server.endpoint, `after=${cursor}`)).status === 410;
  });
  const gone = await askFeed(server.endpoint, `after=${cursor}`);
  expect([gone.code, typeof gone.oldest]).toEqual(['CursorExpired', 'string']);
  expect((await askFeed(server.endpoint, `after=${gone.oldest ?? ''}`)).status).toBe(200);
  const foreign = await askFeed(server.endpoint, `after=00000000${cursor.slice(8)}`);
  expect([foreign.status, foreign.code]).toEqual([409, 'CursorUnknown']);
  expect((await askFeed(server.endpoint, 'after=nonsense')).code).toBe('InvalidArgument');
  expect((await askFeed(server.endpoint, 'limit=0')).code).toBe('InvalidArgument');
});

test('the feed is for the keys of the server, and says how it is turned on', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: join(folder.path, 'data') });
  expect((await askFeed(server.endpoint, '', 'another-secret')).code).toBe('SignatureDoesNotMatch');
  const anonymous = await fetch(`${server.endpoint}/_/changes`);
  expect([anonymous.status, (await anonymous.json()) as FeedAnswer]).toMatchObject([
    403,
    { code: 'AccessDenied' },
  ]);
  const off = await askFeed(server.endpoint, '');
  expect([off.status, off.code]).toEqual([404, 'NoChangeFeed']);
});
