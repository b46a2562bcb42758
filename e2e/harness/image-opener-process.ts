/** The process of an `ImageOpener`. It ends with the one that has started it. */
import { S3Client } from '@aws-sdk/client-s3';
import { startS3 } from '@holdfast/testing';
import { runCommand } from './command.ts';
import type { OpenFolder, OpenImage } from './image-opener.ts';
import { NO_CHECKSUMS, type Verified, verifyObjects } from './verify-objects.ts';

process.on('disconnect', () => process.exit());
process.on('message', (request: OpenImage | OpenFolder) => {
  const opened = 'image' in request ? openMounted(request) : openFolder(request);
  void opened.then((verified) => process.send?.(verified));
});

async function openFolder(request: OpenFolder): Promise<Verified> {
  try {
    return await read(request);
  } catch (error) {
    return { seen: new Map(), violations: [String(error)] };
  }
}

async function openMounted(request: OpenImage): Promise<Verified> {
  const { image, mountPoint } = request;
  try {
    await succeed('mount', '-o', 'loop,noatime', image, mountPoint);
    try {
      return await openFolder(request);
    } finally {
      await succeed('umount', mountPoint);
    }
  } catch (error) {
    return { seen: new Map(), violations: [String(error)] };
  }
}

async function read({ directory, bucket, allowed }: OpenFolder): Promise<Verified> {
  await using server = await startS3({ directory });
  const client = new S3Client({ ...server.clientConfig, ...NO_CHECKSUMS, maxAttempts: 1 });
  try {
    return await verifyObjects(client, bucket, allowed);
  } finally {
    client.destroy();
  }
}

async function succeed(program: string, ...words: string[]): Promise<void> {
  const { exitCode, errors } = await runCommand(program, words);
  if (exitCode !== 0) throw new Error(`${program} ${words.join(' ')}: ${errors.trim()}`);
}
