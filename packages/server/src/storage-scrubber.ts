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
  /** Whether files with damaged values are written anew, from other nodes where they must. Default false. */
  readonly heals?: boolean;
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
      if (options.heals === true) void heal(kv, log, damage);
    },
    onPass: (report) => log.info({ ...report }, 'scrub pass done'),
  });
  scrubber.start();
  return scrubber;
}

/** Logs how it went, whatever that was: the scrubber goes on. */
async function heal(kv: LocalStore, log: Log, damage: StoreDamage): Promise<void> {
  const { file } = damage;
  try {
    const report = await kv.heal(damage);
    if (report.movedBytes + report.lostValues === 0) return;
    if (report.lostValues === 0) log.warn({ file, ...report }, 'a damaged file was written anew');
    else log.error({ file, ...report }, 'values of a damaged file are on no other node either');
  } catch (error) {
    log.error({ file, error }, 'a damaged file could not be written anew');
  }
}
