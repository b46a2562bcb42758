import { setTimeout as pause } from 'node:timers/promises';

/** Longer than the second after which a log is idle, and begins to fill files for its next segments. */
const LOOK_AGAIN_MS = 1500;

/** Waits until a figure stays what it is. */
export async function untilQuiet(read: () => number | Promise<number>): Promise<void> {
  for (let before = -1, now = await read(); now !== before; ) {
    await pause(LOOK_AGAIN_MS);
    before = now;
    now = await read();
  }
}

/** Waits until servers of Holdfast fill no more files ahead of need, so that no peer is measured beside them. */
export async function untilServersAreQuiet(ports: readonly number[]): Promise<void> {
  await untilQuiet(async () => {
    const all = await Promise.all(ports.map(spareBytes));
    return all.reduce((sum, bytes) => sum + bytes, 0);
  });
}

async function spareBytes(port: number): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/_/metrics`)).text();
  const found = /^holdfast_wal_spare_bytes (\d+)/m.exec(page)?.[1];
  if (found === undefined)
    throw new Error('the server does not say how many bytes its log has filled ahead');
  return Number(found);
}
