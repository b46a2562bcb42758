import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createNodeEnv, NodeClock } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import type { RunningServer } from '../../src/start-server.ts';
import { startServer } from '../../src/start-server.ts';

const GIB = 1024 ** 3;
const clock = new NodeClock();
const credentials = { accessKeyId: 'somebody', secretAccessKey: 'a-secret-for-tests' };

async function withServer(run: (server: RunningServer) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-scale-'));
  const env = await createNodeEnv();
  try {
    const server = await startServer({
      env,
      directory: join(directory, 'data'),
      credentials,
      port: 0,
      buckets: ['scale'],
    });
    try {
      await run(server);
    } finally {
      await server.stop();
    }
  } finally {
    await env.digests.close();
    await rm(directory, { recursive: true, force: true });
  }
}

function clientOf({ port }: RunningServer): S3Client {
  return new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials,
  });
}

test(
  'an object of 5 GiB goes up in one put and comes down the same; a byte more is refused',
  {
    timeout: 3_600_000,
  },
  () =>
    withServer(async (server) => {
      const s3 = clientOf(server);
      const where = { Bucket: 'scale', Key: 'large' };
      const sent = createHash('sha256');
      const fromMs = clock.monotonicMs();
      const Body = Readable.from(numberedBlocks(5 * GIB, (block) => sent.update(block)));
      await s3.send(new PutObjectCommand({ ...where, Body, ContentLength: 5 * GIB }));
      const putMs = clock.monotonicMs() - fromMs;
      const answer = await s3.send(new GetObjectCommand(where));
      expect(answer.ContentLength).toBe(5 * GIB);
      const received = createHash('sha256');
      for await (const piece of answer.Body as Readable) received.update(piece as Buffer);
      const getMs = clock.monotonicMs() - fromMs - putMs;
      expect(received.digest('hex')).toBe(sent.digest('hex'));
      const { rss } = process.memoryUsage();
      console.info(
        `put ${seconds(putMs)}, get ${seconds(getMs)}, ${Math.round(rss / 2 ** 20)} MiB`,
      );
      const larger = Readable.from(numberedBlocks(1, () => undefined));
      await expect(
        s3.send(new PutObjectCommand({ ...where, Body: larger, ContentLength: 5 * GIB + 1 })),
      ).rejects.toMatchObject({ name: 'EntityTooLarge' });
      s3.destroy();
    }),
);

const UPLOADS = 100;
const PARTS = 10_000;

test(
  'a million parts are listed page by page, and the last page costs what the first did',
  {
    timeout: 3_600_000,
  },
  () =>
    withServer(async ({ objects }) => {
      const metadata = { ownerId: 'me', metadata: { user: {} } };
      const uploads: { bucket: string; key: string; uploadId: string }[] = [];
      for (let number = 0; number < UPLOADS; number++) {
        const address = { bucket: 'scale', key: `upload-${String(number).padStart(3, '0')}` };
        const { uploadId } = await objects.createMultipartUpload({ ...address, ...metadata });
        uploads.push({ ...address, uploadId });
        await sendParts((partNumber) =>
          objects.uploadPart({ ...address, uploadId, partNumber, body: oneByte() }),
        );
      }
      const pagesMs: number[] = [];
      let parts = 0;
      for (const upload of uploads) {
        for (let after = 0, more = true; more; ) {
          const fromMs = clock.monotonicMs();
          const page = await objects.listParts({ ...upload, after, limit: 1000 });
          pagesMs.push(clock.monotonicMs() - fromMs);
          expect(page.parts[0]?.partNumber).toBe(after + 1);
          after = page.parts.at(-1)?.partNumber ?? Number.NaN;
          parts += page.parts.length;
          more = page.more;
        }
      }
      expect(parts).toBe(UPLOADS * PARTS);
      expect(pagesMs).toHaveLength((UPLOADS * PARTS) / 1000);
      const first = median(pagesMs.slice(0, 100));
      const last = median(pagesMs.slice(-100));
      console.info(
        `a page of 1000 parts: the first ${first.toFixed(1)} ms, the last ${last.toFixed(1)} ms`,
      );
      expect(last).toBeLessThan(Math.max(5 * first, 50));
    }),
);

/** All part numbers, 64 at a time. */
async function sendParts(send: (partNumber: number) => Promise<unknown>): Promise<void> {
  let next = 1;
  const lanes = Array.from({ length: 64 }, async () => {
    while (next <= PARTS) await send(next++);
  });
  await Promise.all(lanes);
}

function oneByte(): { sizeBytes: number; pieces: AsyncIterable<Uint8Array> } {
  return {
    sizeBytes: 1,
    pieces: (async function* () {
      yield new Uint8Array(1);
    })(),
  };
}

/** Blocks of 64 KiB, each with its number, so that none can take the place of another. */
function* numberedBlocks(sizeBytes: number, onBlock: (block: Buffer) => void): Generator<Buffer> {
  for (let at = 0; at < sizeBytes; at += 65_536) {
    const block = Buffer.alloc(Math.min(65_536, sizeBytes - at), at % 251);
    if (block.length >= 8) block.writeDoubleLE(at, 0);
    onBlock(block);
    yield block;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
