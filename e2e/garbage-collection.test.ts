import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { runCommand, runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes } from './harness/pattern-bytes.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const OBJECT_BYTES = 8 * 1024 * 1024;
const OBJECTS = 24;

/** What the folder takes up on the disk. */
async function diskBytes(directory: string): Promise<number> {
  const { output } = await runCommand('du', ['-s', '-B1', directory]);
  return Number(output.split('\t')[0]);
}

/** Runs `gc --now`, which says what it does and what it gave back. */
async function expectCollected(directory: string): Promise<void> {
  const { output, errors, exitCode } = await runHoldfast(['gc', '--now', '--data', directory]);
  expect(errors).toBe('');
  expect(exitCode).toBe(0);
  expect(output).toMatch(/deleted \d+ unused chunks/);
  expect(output).toMatch(/rewrote \d+ segments, moved \d+\.\d MiB/);
  expect(output).toMatch(/Gave back \d+\.\d MiB/);
}

test.each([
  ['of a stopped store', false],
  ['while a server runs on it', true],
])(
  'gc --now, %s, gives back the space of deleted objects, and keeps the others whole',
  async (_, isRunning) => {
    await using folder = await temporaryFolder();
    const directory = join(folder.path, 'data');
    const kept: number[] = [];
    {
      await using server = await HoldfastProcess.start({ directory });
      const client = server.client();
      await client.send(new CreateBucketCommand({ Bucket: 'space' }));
      for (let at = 0; at < OBJECTS; at++) {
        const Body = patternBytes(at, OBJECT_BYTES);
        await client.send(new PutObjectCommand({ Bucket: 'space', Key: `object-${at}`, Body }));
      }
      for (let at = 0; at < OBJECTS; at++) {
        if (at % 6 === 0) kept.push(at);
        else await client.send(new DeleteObjectCommand({ Bucket: 'space', Key: `object-${at}` }));
      }
      if (isRunning) await expectCollected(directory);
      expect(await server.stop()).toBe(0);
    }
    if (!isRunning) await expectCollected(directory);
    const liveBytes = kept.length * OBJECT_BYTES;
    // One open segment comes on top.
    expect(await diskBytes(directory)).toBeLessThan(liveBytes * 1.5 + 64 * 1024 * 1024);
    await using server = await HoldfastProcess.start({ directory });
    const client = server.client();
    for (const at of kept) {
      const { Body } = await client.send(
        new GetObjectCommand({ Bucket: 'space', Key: `object-${at}` }),
      );
      const bytes = await Body?.transformToByteArray();
      expect(Buffer.compare(bytes ?? new Uint8Array(), patternBytes(at, OBJECT_BYTES))).toBe(0);
    }
    const verified = await runHoldfast(['verify', '--data', directory]);
    expect(verified.output).toContain('Everything is whole.');
  },
);
