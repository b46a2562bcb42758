import { type ServerProcess, startServerProcess } from '../load/server-process.ts';

const LAUNCHER = new URL('../../packages/server/bin/holdfast.mjs', import.meta.url).pathname;

/** The real `holdfast serve` on a fresh folder and a free port, with the options of Node that `npm start` gives. */
export function startHoldfast(
  directory: string,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
  buckets: readonly string[],
): Promise<ServerProcess> {
  return startServerProcess(
    process.execPath,
    [
      ...process.execArgv,
      LAUNCHER,
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
