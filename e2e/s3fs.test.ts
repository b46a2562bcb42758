import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectPresence, whyMissing } from './harness/client-program.ts';
import { ClientWorkplace } from './harness/client-workplace.ts';
import { cleanEnvironment, runCommand } from './harness/command.ts';
import { CREDENTIALS } from './harness/holdfast-process.ts';
import { patternBytes, sha256 } from './harness/pattern-bytes.ts';
import { waitUntil, within } from './harness/wait-until.ts';

const MIB = 1024 * 1024;
const missing =
  (await whyMissing({ command: 's3fs', probe: ['--version'], package: 's3fs' })) ??
  (await access('/dev/fuse').then(
    () => undefined,
    () => 'no /dev/fuse',
  ));

test('s3fs is there', (context) => expectPresence(context, missing));

describe.skipIf(missing !== undefined)('s3fs', () => {
  let place: ClientWorkplace;
  let s3fs: ChildProcess;
  let said = '';
  const mounted = (...names: string[]): string => place.path('mounted', ...names);

  beforeAll(async () => {
    place = await ClientWorkplace.open('s3fs');
    await mkdir(mounted());
    const { accessKeyId, secretAccessKey } = CREDENTIALS;
    const passwords = await place.write('passwords', `${accessKeyId}:${secretAccessKey}`);
    await runCommand('chmod', ['600', passwords]);
    s3fs = await mount(passwords);
  });
  afterAll(async () => {
    try {
      if (s3fs !== undefined) await unmount();
    } finally {
      await place?.[Symbol.asyncDispose]();
    }
  });

  /** In the foreground: it ends with its mount, and its last words are ours. */
  async function mount(passwords: string): Promise<ChildProcess> {
    const options = [
      `url=${place.server.endpoint}`,
      'use_path_request_style',
      `passwd_file=${passwords}`,
      `tmpdir=${place.path()}`,
      'multipart_size=5',
      'max_dirty_data=-1',
      'retries=1',
    ];
    const child = spawn('s3fs', ['s3fs', mounted(), '-f', '-o', options.join(',')], {
      env: cleanEnvironment({ HOME: place.path() }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    await waitUntil('s3fs has mounted the bucket', async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`s3fs ended: ${said}`);
      return (await readFile('/proc/self/mounts', 'utf8')).includes(` ${mounted()} fuse.s3fs `);
    });
    return child;
  }

  /**
   * Leaves neither mount nor process behind, whatever went wrong before. Killed, because s3fs 1.90 does not always end well by
   * itself: of 3,000 ends three were an abort, and one more, elsewhere, a hang. What was written went up as each file was closed.
   */
  async function unmount(): Promise<void> {
    const isRunning = s3fs.exitCode === null && s3fs.signalCode === null;
    const ended: Promise<unknown> = isRunning ? once(s3fs, 'exit') : Promise.resolve();
    s3fs.kill('SIGKILL');
    await within('s3fs ends', ended);
    await runCommand('fusermount', ['-uz', mounted()]);
    expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(mounted());
  }

  test('a file that is written in the mount is an object, and the other way round', async () => {
    await mkdir(mounted('folder'));
    await writeFile(mounted('folder', 'ünïcode + name.txt'), 'hello');
    expect(await readFile(mounted('folder', 'ünïcode + name.txt'), 'utf8')).toBe('hello');
    const { Body } = await place.client.send(
      new GetObjectCommand({ Bucket: 's3fs', Key: 'folder/ünïcode + name.txt' }),
    );
    expect(await Body?.transformToString()).toBe('hello');
    expect(await readdir(mounted('folder'))).toEqual(['ünïcode + name.txt']);
  });

  test('a large file goes up in parts and is read back whole', async () => {
    const bytes = patternBytes(12, 23 * MIB);
    await writeFile(mounted('large'), bytes);
    const { Body, ETag } = await place.client.send(
      new GetObjectCommand({ Bucket: 's3fs', Key: 'large' }),
    );
    expect(ETag).toMatch(/-\d+"$/);
    expect(sha256((await Body?.transformToByteArray()) ?? new Uint8Array())).toBe(sha256(bytes));
    expect(sha256(await readFile(mounted('large')))).toBe(sha256(bytes));
  });

  test('append, rename, chmod and remove do what a file system does', async () => {
    await writeFile(mounted('notes'), 'one\n');
    await writeFile(mounted('notes'), 'two\n', { flag: 'a' });
    await runCommand('chmod', ['640', mounted('notes')]);
    await rename(mounted('notes'), mounted('renamed'));
    expect(await readFile(mounted('renamed'), 'utf8')).toBe('one\ntwo\n');
    expect((await stat(mounted('renamed'))).mode & 0o777).toBe(0o640);
    await rm(mounted('renamed'));
    const { Contents = [] } = await place.client.send(
      new ListObjectsV2Command({ Bucket: 's3fs', Prefix: 'renamed' }),
    );
    expect(Contents).toEqual([]);
  });
});
