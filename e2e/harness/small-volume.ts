import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './command.ts';

/** An ext4 volume in a file, mounted. Unmounted and removed at the end of its scope. */
export interface SmallVolume extends AsyncDisposable {
  readonly path: string;
  /** Takes all that is free but `leftMib`, as another program on the volume would; 0: to the last block. */
  fill(leftMib: number): Promise<void>;
  /** Gives back what `fill` took. */
  empty(): Promise<void>;
}

/** Makes one, or says why this machine cannot. */
export async function mountSmallVolume(sizeMib: number): Promise<SmallVolume | string> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return 'a small volume can only be mounted by root on Linux';
  }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-volume-'));
  const image = join(folder, 'image');
  const path = join(folder, 'mounted');
  await mkdir(path);
  const steps: readonly (readonly string[])[] = [
    ['truncate', '-s', `${sizeMib}M`, image],
    ['mkfs.ext4', '-q', '-m', '0', '-E', 'lazy_itable_init=0', image],
    // The loop device goes away with the mount.
    ['mount', '-o', 'loop', image, path],
  ];
  for (const [program = '', ...words] of steps) {
    const failure = await run(program, words);
    if (failure === undefined) continue;
    await rm(folder, { recursive: true });
    return `${program} failed: ${failure}`;
  }
  const ballast = join(path, 'ballast');
  return {
    path,
    fill: async (leftMib) => {
      const failure = await run('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096', 'conv=fsync']);
      if (failure?.includes('No space left') !== true) throw new Error(failure ?? 'not full');
      if (leftMib > 0) await run('truncate', ['-s', `-${leftMib}M`, ballast]);
    },
    empty: () => rm(ballast, { force: true }),
    [Symbol.asyncDispose]: async () => {
      const failure = await run('umount', [path]);
      // Never left behind: what is still in use goes away with its last user.
      if (failure !== undefined) await run('umount', ['-l', path]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What went wrong; undefined where nothing did. */
async function run(program: string, words: readonly string[]): Promise<string | undefined> {
  try {
    const { exitCode, errors } = await runCommand(program, words);
    return exitCode === 0 ? undefined : errors.trim() || `exit code ${exitCode}`;
  } catch (error) {
    return String(error);
  }
}
