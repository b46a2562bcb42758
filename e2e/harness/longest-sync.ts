import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 50;

/**
 * Waits, and measures how long the longest sync of a small file took meanwhile, in milliseconds: of a server that was late, what
 * its disk may have been to blame for.
 */
export async function besideSyncs<Value>(
  promise: Promise<Value>,
): Promise<{ readonly value: Value; readonly longestSyncMs: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-syncs-'));
  const file = await open(join(folder, 'synced'), 'w');
  let isOver = false;
  let longestSyncMs = 0;
  const syncing = (async () => {
    while (!isOver) {
      const beganMs = performance.now();
      await file.write('x', 0);
      await file.sync();
      longestSyncMs = Math.max(longestSyncMs, performance.now() - beganMs);
      await delay(PAUSE_MS);
    }
  })();
  // What went wrong is thrown below.
  syncing.catch(() => undefined);
  try {
    const value = await promise;
    isOver = true;
    await syncing;
    return { value, longestSyncMs };
  } finally {
    isOver = true;
    await syncing.catch(() => undefined);
    await file.close();
    await rm(folder, { recursive: true });
  }
}
