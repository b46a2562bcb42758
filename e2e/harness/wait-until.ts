import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;
/** Only what hangs ends here. What works takes seconds, and on a disk that others want, or a busy machine, a minute. */
const LIMIT_MS = 120_000;

/** Polls until the condition holds; fails with `what` at the deadline. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = LIMIT_MS,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await delay(POLL_MS);
  }
}

/** Rejects with `what` if the promise takes longer. */
export async function within<Value>(
  what: string,
  promise: Promise<Value>,
  limitMs = LIMIT_MS,
): Promise<Value> {
  const giveUp = new AbortController();
  const late = delay(limitMs, undefined, { signal: giveUp.signal }).then(() => {
    throw new Error(`not within ${limitMs} ms: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    giveUp.abort();
    late.catch(() => undefined);
  }
}
