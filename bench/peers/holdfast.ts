import { type ServerProcess, startServerProcess } from '../load/server-process.ts';

const ENTRY = new URL('../../packages/server/src/main.ts', import.meta.url).pathname;

/** The real `holdfast serve` on a fresh folder and a free port. */
export function startHoldfast(
  directory: string,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
  buckets: readonly string[],
): Promise<ServerProcess> {
  return startServerProcess(
    process.execPath,
    [
      ENTRY,
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
