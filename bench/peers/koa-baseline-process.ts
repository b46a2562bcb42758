import { type ServerProcess, startServerProcess } from '../load/server-process.ts';

/** Starts `koa-baseline.ts` as a process. */
export function startBaseline(keys: {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}): Promise<ServerProcess> {
  return startServerProcess(
    process.execPath,
    [new URL('./koa-baseline.ts', import.meta.url).pathname],
    /listening (\d+)/,
    { BASELINE_ACCESS_KEY: keys.accessKeyId, BASELINE_SECRET_KEY: keys.secretAccessKey },
  );
}
