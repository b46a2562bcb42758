import { setTimeout as delay } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { runHoldfast } from './harness/command.ts';
import { putSources, runLoad } from './harness/crash-load.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { reportProof } from './harness/proof-report.ts';
import { runSeed, SeededDice } from './harness/seeded-dice.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { listedKeys, NO_CHECKSUMS, verifyObjects } from './harness/verify-objects.ts';
import { waitUntil, within } from './harness/wait-until.ts';
import { WriteLedger } from './harness/write-ledger.ts';

/** More of them, for a longer search: HOLDFAST_CRASH_ROUNDS. */
const ROUNDS = Number(process.env['HOLDFAST_CRASH_ROUNDS'] ?? 50);
const LANES = 8;
const MIB = 1024 * 1024;
const BUCKET = 'crash';
/** The kill falls somewhere inside the requests after the last acknowledgement that is waited for. */
const KILL_JITTER_MS = 25;

interface Tally {
  objects: number;
  violations: number;
}

test(`${ROUNDS} times kill -9 under load: nothing acknowledged is lost, nothing else appears`, async () => {
  const seed = runSeed();
  console.info(`seed ${seed}: repeat with HOLDFAST_SEED=${seed}`);
  const dice = new SeededDice(seed);
  await using folder = await temporaryFolder();
  const ledger = new WriteLedger();
  const tally: Tally = { objects: 0, violations: 0 };
  const options = { directory: folder.path, arguments: ['--bucket', BUCKET] };
  {
    await using server = await HoldfastProcess.start(options);
    await putSources(server.client(), BUCKET, ledger);
  }
  for (let round = 1; round <= ROUNDS; round++) {
    await using server = await HoldfastProcess.start(options);
    const client = server.client(NO_CHECKSUMS);
    await verify(client, ledger, tally, `seed ${seed}, after ${round - 1} kills`);
    await loadAndKill(server, client, ledger, dice);
  }
  console.info(`${ledger.acknowledged} writes were acknowledged in ${ROUNDS} rounds`);
  expect(ledger.acknowledged).toBeGreaterThan(ROUNDS);
  {
    await using server = await HoldfastProcess.start({
      ...options,
      arguments: [...options.arguments, '--collect-every', '1'],
    });
    await verify(server.client(), ledger, tally, `seed ${seed}, after the last kill`);
    await expectOnlyLiveBytes(server);
    await verify(server.client(), ledger, tally, `seed ${seed}, after garbage collection`);
    await deleteEverything(server);
    expect(await server.stop()).toBe(0);
  }
  // Chunks are the keys whose first byte is 0x30, the digit 0.
  const chunks = await runHoldfast(['kv', '--data', folder.path], { input: 'SCAN 0 1\n' });
  expect(chunks.output).toBe('(0)\n');
  const { acknowledged } = ledger;
  reportProof({ part: 'kills', counts: { kills: ROUNDS, acknowledged, ...tally } });
});

/** Crashed uploads leave chunks that nothing refers to: garbage collection finds them all. */
async function expectOnlyLiveBytes(server: HoldfastProcess): Promise<void> {
  const client = server.client();
  const before = await metric(server, 'holdfast_kv_live_bytes');
  await abortUploads(client);
  await wholePass(server);
  let objectBytes = 0;
  for await (const page of paginateListObjectsV2({ client }, { Bucket: BUCKET })) {
    for (const { Size } of page.Contents ?? []) objectBytes += Size ?? 0;
  }
  const after = await metric(server, 'holdfast_kv_live_bytes');
  console.info(`live bytes: ${before} before, ${after} after collection; objects: ${objectBytes}`);
  expect(after).toBeLessThan(before);
  // The rest are the records of objects, parts and answers kept for retries.
  expect(after).toBeLessThan(objectBytes * 1.02 + MIB);
}

async function deleteEverything(server: HoldfastProcess): Promise<void> {
  const client = server.client();
  for (const Key of await listedKeys(client, BUCKET)) {
    await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }));
  }
  await wholePass(server);
  expect(await metric(server, 'holdfast_kv_live_bytes')).toBeLessThan(MIB);
  // The segment that is written to, and at most one that was just sealed.
  await waitUntil(
    'the space of deleted objects comes back',
    async () => (await metric(server, 'holdfast_kv_segments')) <= 2,
  );
}

async function abortUploads(client: S3Client): Promise<void> {
  for (;;) {
    const { Uploads = [], IsTruncated } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: BUCKET }),
    );
    for (const { Key, UploadId } of Uploads) {
      await client.send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key, UploadId }));
    }
    if (!IsTruncated) return;
  }
}

/** Resolves after a pass of garbage collection that began after the call. */
async function wholePass(server: HoldfastProcess): Promise<void> {
  const name = 'holdfast_garbage_collected_total{kind="passes"}';
  const before = await metric(server, name);
  await waitUntil('two passes', async () => (await metric(server, name)) >= before + 2);
}

async function metric(server: HoldfastProcess, name: string): Promise<number> {
  const text = await (await fetch(`${server.endpoint}/_/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

async function loadAndKill(
  server: HoldfastProcess,
  client: S3Client,
  ledger: WriteLedger,
  dice: SeededDice,
): Promise<void> {
  let left = 1 + dice.below(100);
  const jitterMs = dice.next() * KILL_JITTER_MS;
  const enough = Promise.withResolvers<void>();
  const load = runLoad({
    client,
    bucket: BUCKET,
    ledger,
    seed: dice.below(2 ** 31),
    lanes: LANES,
    onAcknowledged: () => {
      left -= 1;
      if (left === 0) enough.resolve();
    },
  });
  await within('enough writes are acknowledged', Promise.race([enough.promise, load]));
  await delay(jitterMs);
  await server.kill();
  await load;
}

/** Reads everything, and compares it with what the ledger allows. */
async function verify(
  client: S3Client,
  ledger: WriteLedger,
  tally: Tally,
  when: string,
): Promise<void> {
  const { seen, violations } = await verifyObjects(client, BUCKET, ledger.allAllowed());
  tally.objects += seen.size;
  tally.violations += violations.length;
  expect(violations, when).toEqual([]);
  for (const [key, version] of seen) ledger.settle(key, version);
}
