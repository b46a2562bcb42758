/**
 * A program of its own, because a test runner has handles that come and go: starts servers, uses them, closes them,
 * and prints what kept the process alive before and after.
 */
import { readdir } from 'node:fs/promises';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startS3 } from '../src/start-s3.ts';

const MIB = 1024 * 1024;

async function resources(): Promise<{ handles: string[]; threads: number }> {
  // Handles that were closed, and timers of 0 ms, are gone some turns of the event loop later.
  for (let turn = 0; turn < 100; turn++) await readdir('.');
  const threads = process.platform === 'linux' ? await readdir('/proc/self/task') : [];
  return { handles: process.getActiveResourcesInfo().toSorted(), threads: threads.length };
}

async function useAndClose(): Promise<void> {
  const s3 = await startS3({ buckets: ['abc'] });
  const client = new S3Client(s3.clientConfig);
  // Large enough for a thread to hash it, if there are threads.
  const Body = new Uint8Array(20 * MIB);
  await client.send(new PutObjectCommand({ Bucket: 'abc', Key: 'large', Body }));
  await client.send(new DeleteObjectCommand({ Bucket: 'abc', Key: 'large' }));
  client.destroy();
  await s3.reset();
  await s3.close();
  await s3.close();
}

// The first use loads what is loaded once in a process: modules, and the pool of Node's own threads.
await useAndClose();
const before = await resources();
await useAndClose();
await startS3({ buckets: ['Not A Bucket'] }).catch(() => undefined);
const after = await resources();
process.stdout.write(JSON.stringify({ before, after }));
