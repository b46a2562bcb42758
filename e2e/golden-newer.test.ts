import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { formatConstants } from './golden/format-constants.ts';
import { inFuture } from './golden/in-future.ts';
import { LAUNCHER, ROOT, runCommand, runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

const EXIT_CODE = 1;

/** What stands in files of their own, so that a start meets it. Records are refused when they are read: unit tests of their packages. */
const OF_FILES = [
  'packages/kv/src/manifest-codec.ts MANIFEST_FORMAT_VERSION',
  'packages/kv/src/node-identity.ts FORMAT_VERSION',
  'packages/kv/src/table-format.ts TABLE_FORMAT_VERSION',
  'packages/wal/src/layout.ts FORMAT_VERSION',
  'packages/wal/src/layout.ts STATE_FORMAT_VERSION',
];

test.each(OF_FILES)(
  'a folder with a newer %s is refused, and nothing is changed',
  async (format) => {
    expect(formatConstants(ROOT)).toHaveProperty([format]);
    await using folder = await temporaryFolder();
    const directory = join(folder.path, 'data');
    await writeAsNewer(directory, format);
    for (let attempt = 0; attempt < 2; attempt++) {
      await using server = HoldfastProcess.spawn({ directory });
      expect(await server.exitCode(), server.errors).toBe(EXIT_CODE);
      expect(server.errors).toMatch(/newer/);
    }
    const asNewer = { directory, wrapper: inFuture(format) };
    await using server = await HoldfastProcess.start(asNewer);
    expect(await server.stop()).toBe(0);
  },
);

/** Of a backup itself, and of files in it that a restore reads. */
const OF_BACKUPS = [
  'packages/kv/src/backup/backup-manifest.ts BACKUP_FORMAT_VERSION',
  'packages/kv/src/manifest-codec.ts MANIFEST_FORMAT_VERSION',
  'packages/wal/src/layout.ts FORMAT_VERSION',
];

test.each(OF_BACKUPS)('a backup with a newer %s is not restored', async (format) => {
  await using folder = await temporaryFolder();
  const [directory, to] = [join(folder.path, 'data'), join(folder.path, 'backup')];
  await writeAsNewer(directory, format);
  await inFutureRun(format, 'backup', '--data', directory, '--to', to);
  const words = ['restore', '--from', to, '--data', join(folder.path, 'restored')];
  const { exitCode, errors } = await runHoldfast(words);
  expect(exitCode).toBe(EXIT_CODE);
  expect(errors).toMatch(/newer/);
  const verified = await runHoldfast(['backup', 'verify', to]);
  expect(verified.exitCode).toBe(EXIT_CODE);
  expect(verified.output + verified.errors).toMatch(/newer/);
  expect(verified.output).not.toMatch(/whole|DAMAGED/);
});

/** A server of the future writes an object, and has it in a table. */
async function writeAsNewer(directory: string, format: string): Promise<void> {
  await using server = await HoldfastProcess.start({ directory, wrapper: inFuture(format) });
  const client = server.client();
  await client.send(new CreateBucketCommand({ Bucket: 'future' }));
  await client.send(new PutObjectCommand({ Bucket: 'future', Key: 'k', Body: 'v' }));
  expect(await server.stop()).toBe(0);
  await inFutureRun(format, 'gc', '--now', '--data', directory);
}

async function inFutureRun(format: string, ...words: readonly string[]): Promise<void> {
  const [program = '', ...settings] = inFuture(format);
  const command = [...settings, process.execPath, LAUNCHER, ...words];
  const { exitCode, errors } = await runCommand(program, command);
  expect(exitCode, errors).toBe(0);
}
