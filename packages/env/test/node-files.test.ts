import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { constants as systemConstants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileHandle } from '../src/files.ts';
import { openDescriptor } from '../src/node/descriptor.ts';
import { fileErrorOf } from '../src/node/file-errors.ts';
import { InPlaceCalls } from '../src/node/in-place-calls.ts';
import { NodeFiles } from '../src/node/index.ts';
import { NodeFileHandle } from '../src/node/node-file-handle.ts';
import { makeTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

const LOCK_HOLDER = fileURLToPath(new URL('./fixtures/lock-holder.ts', import.meta.url));
const LINUX = process.platform === 'linux';

let folder: TemporaryFolder;
beforeEach(async () => {
  folder = await makeTemporaryFolder();
});
afterEach(() => folder.remove());

async function startHolder(path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [LOCK_HOLDER, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  expect(String(line)).toBe('locked\n');
  return child;
}

describe('the lock', () => {
  test('keeps another process out, and is free again when that process is killed', async () => {
    const path = `${folder.path}/lock`;
    const files = new NodeFiles();
    const holder = await startHolder(path);
    await expect(files.lock(path)).rejects.toMatchObject({ code: 'FILE_LOCKED' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const lock = await files.lock(path);
    await lock.release();
  });

  test('keeps out two NodeFiles of one process', async () => {
    const path = `${folder.path}/lock`;
    const lock = await new NodeFiles().lock(path);
    await expect(new NodeFiles().lock(path)).rejects.toMatchObject({ code: 'FILE_LOCKED' });
    await lock.release();
  });

  test('hides the warning of node:sqlite, which some versions give, and no other', () => {
    const script = `
      const { NodeFiles } = await import(${JSON.stringify(import.meta.resolve('../src/node/index.ts'))});
      const load = process.getBuiltinModule;
      process.getBuiltinModule = (name) => {
        process.emitWarning('SQLite is experimental', 'ExperimentalWarning');
        return load(name);
      };
      await (await new NodeFiles().lock(process.argv[1])).release();
      process.emitWarning('another one');`;
    const args = ['--input-type=module', '-e', script, `${folder.path}/lock`];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stderr).toContain('another one');
    expect(stderr).not.toContain('SQLite');
  });
});

test.runIf(LINUX)('a file gets the mode that create asks for', async () => {
  const file = await new NodeFiles().open(`${folder.path}/a`, 'create', { mode: 0o600 });
  await file.close();
  expect((await stat(`${folder.path}/a`)).mode & 0o777).toBe(0o600);
});

test.runIf(LINUX)('a folder that takes none is an error, and is not tried for ever', async () => {
  const path = '/proc/no/such/folder';
  await expect(new NodeFiles().makeDirectory(path)).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    path,
  });
});

test.runIf(LINUX)('a handle whose direct writes are refused goes on with synced ones', async () => {
  const path = `${folder.path}/a`;
  const flags = constants.O_RDWR | constants.O_CREAT;
  const descriptor = await openDescriptor(path, flags, 0o644);
  // A file of the kernel that answers EINVAL to any write that is not a small number.
  const refusing = await openDescriptor('/proc/self/oom_score_adj', constants.O_RDWR);
  const handle = new NodeFileHandle(path, descriptor, { descriptor: refusing, isBulk: false });
  expect(handle.direct).toBe(true);
  const block = new NodeFiles().allocate(4096).fill(7);
  await Promise.all([handle.writeSynced(block, 0), handle.writeSynced(block, 4096)]);
  expect(handle.direct).toBe(false);
  const content = new Uint8Array(8192);
  await handle.read(content, 0);
  expect(content.every((byte) => byte === 7)).toBe(true);
  await handle.close();
});

test.runIf(LINUX)('a read goes on where the system gives fewer bytes than there are', async () => {
  // A file of the kernel that gives at most a few pages a call.
  const file = await new NodeFiles().open('/proc/kallsyms', 'read');
  const target = new Uint8Array(100_000);
  expect(await file.read(target, 0)).toBe(target.length);
  await file.close();
});

test('errnos become codes, with the operation, the path and the cause', () => {
  const codes = {
    ENOENT: 'FILE_NOT_FOUND',
    ENOTDIR: 'FILE_NOT_FOUND',
    EEXIST: 'FILE_EXISTS',
    ENOSPC: 'NO_SPACE',
    EDQUOT: 'NO_SPACE',
    EACCES: 'FILE_ACCESS_DENIED',
    EPERM: 'FILE_ACCESS_DENIED',
    EROFS: 'FILE_ACCESS_DENIED',
    EIO: 'FILE_IO',
    EMFILE: 'FILE_IO',
  };
  for (const [errno, code] of Object.entries(codes)) {
    const cause = Object.assign(new Error(errno), { code: errno });
    const error = fileErrorOf('write', '/data/a', cause);
    expect(error).toMatchObject({ code, path: '/data/a', cause });
    expect(error.message).toBe(`write failed with ${errno}: /data/a`);
  }
});

test('a quota that is met is no space, though Node.js has no name for it', () => {
  const unknown = 'Unknown system error -122';
  for (const code of [unknown, 'UNKNOWN']) {
    const cause = Object.assign(new Error(unknown), { code, errno: -systemConstants.errno.EDQUOT });
    const error = fileErrorOf('write', '/data/a', cause);
    expect(error).toMatchObject({ code: 'NO_SPACE', cause });
    expect(error.message).toBe('write failed with EDQUOT: /data/a');
  }
});

test('a link that is not permitted is no matter of permissions', () => {
  const cause = Object.assign(new Error('EPERM'), { code: 'EPERM' });
  const error = fileErrorOf('link', '/data/a', cause);
  expect(error.code).toBe('FILE_IO');
  expect(error.message).toContain('the file system takes no hard links: /data/a');
});

test('a sync that fails for want of space is a failed sync, which nobody waits out', () => {
  const cause = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  expect(fileErrorOf('sync', '/data/a', cause).code).toBe('FILE_IO');
});

test('many small buffers share memory, so that address space lasts', () => {
  const files = new NodeFiles();
  const buffers = Array.from({ length: 20_000 }, () => files.allocate(4096));
  expect(new Set(buffers.map((buffer) => buffer.buffer)).size).toBeLessThan(20);
});

/** Calls of the file system that a thread of the pool has now. */
function callsOnThreads(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('FSReq')).length;
}

test('names are looked up in place, and by threads once that was slow', async () => {
  let nowMs = 0;
  let tookMs = 0;
  const lookUps = new InPlaceCalls(() => {
    nowMs += tookMs / 2;
    return nowMs;
  });
  const files = new NodeFiles({}, lookUps);
  const path = `${folder.path}/a`;
  await (await files.open(path, 'create')).close();
  const [openOne, missing] = [() => files.open(path, 'read'), `${folder.path}/b`];
  const calls = [() => files.list(folder.path), () => files.stat(path), () => files.stat(missing)];
  const threadsUsed = async (): Promise<number> => {
    const before = callsOnThreads();
    const all = [...calls.map((call) => call()), openOne()] as const;
    const used = callsOnThreads() - before;
    const [names, there, gone, handle] = await Promise.all(all);
    expect([names, gone]).toEqual([['a'], undefined]);
    expect(there).toMatchObject({ kind: 'file', sizeBytes: 0 });
    await (handle as FileHandle).close();
    return used;
  };
  expect(await threadsUsed()).toBe(0);
  tookMs = 4;
  // The first is slow, which is noted, and the next four are left to threads.
  expect(await threadsUsed()).toBe(3);
});

test('what a look-up in place fails with is typed as ever', async () => {
  const files = new NodeFiles();
  const path = `${folder.path}/none`;
  const refused = { code: 'FILE_NOT_FOUND', path };
  await expect(files.open(path, 'write', { direct: true })).rejects.toMatchObject(refused);
  await expect(files.list(path)).rejects.toMatchObject(refused);
  await expect(files.syncDirectory(path)).rejects.toMatchObject(refused);
});
