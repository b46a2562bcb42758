import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ServerProcess, startServerProcess } from '../load/server-process.ts';

const LAY_OUT = join(import.meta.dirname, '../../scripts/lay-out-published.ts');

/** The `holdfast` command as it is published. */
export interface InstalledHoldfast {
  /** The real `holdfast serve` on a fresh folder and a free port. */
  start(
    directory: string,
    keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
    buckets: readonly string[],
  ): Promise<ServerProcess>;
}

/**
 * Builds and packs the packages and lays them out in `folder`. Why not from source: stripping types takes some 30 MB
 * that nobody has who installed it.
 */
export async function installHoldfast(folder: string): Promise<InstalledHoldfast> {
  const { stdout } = await promisify(execFile)(process.execPath, [LAY_OUT, folder]);
  const launcher = stdout.trim();
  return { start: (...where) => startHoldfast(launcher, ...where) };
}

function startHoldfast(
  launcher: string,
  directory: string,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
  buckets: readonly string[],
): Promise<ServerProcess> {
  return startServerProcess(
    process.execPath,
    [
      ...process.execArgv,
      launcher,
      'serve',
      '--data',
      directory,
      '--port',
      '0',
      '--bucket',
      buckets.join(','),
      '--log-level',
      'error',
    ],
    /http:\/\/127\.0\.0\.1:(\d+)/,
    { HOLDFAST_ACCESS_KEY: keys.accessKeyId, HOLDFAST_SECRET_KEY: keys.secretAccessKey },
  );
}
