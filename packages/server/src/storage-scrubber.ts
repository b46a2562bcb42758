import type { Env } from '@holdfast/env';
import type { LocalStore, StoreDamage } from '@holdfast/kv';
import { Scrubber } from '@holdfast/kv';
import type { Log } from './log.ts';

/** A start is busy enough without it. */
const FIRST_PASS_AFTER_MS = 5 * 60_000;
/** What has been read takes a while to rot. */
const PAUSE_MS = 24 * 60 * 60_000;

export interface StorageScrubberOptions {
  readonly env: Env;
  readonly directory: string;
  readonly kv: LocalStore;
  readonly log: Log;
  readonly bytesPerSecond: number;
  readonly onDamage: (damage: StoreDamage) => void;
  /** For tests. Default 5 minutes. */
  readonly firstPassAfterMs?: number;
}

/** Reads the store's files in the background and logs what is damaged; the server goes on. */
export function startStorageScrubber(options: StorageScrubberOptions): Scrubber {
  const { env, directory, kv, log, bytesPerSecond } = options;
  const scrubber = new Scrubber({
    env,
    directory,
    segments: () => kv.status().segments,
    bytesPerSecond,
    firstPassAfterMs: options.firstPassAfterMs ?? FIRST_PASS_AFTER_MS,
    pauseMs: PAUSE_MS,
    onDamage: (damage) => {
      options.onDamage(damage);
      const { kind: _, ...fields } = damage;
      log.error(fields, 'damaged bytes on disk: run "holdfast verify" to see what they hold');
    },
    onPass: (report) => log.info({ ...report }, 'scrub pass done'),
  });
  scrubber.start();
  return scrubber;
}
