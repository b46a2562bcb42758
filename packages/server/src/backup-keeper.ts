import type { Env, Timer } from '@holdfast/env';
import type { BackupReport, BackupRequest, LocalStore } from '@holdfast/kv';
import { listBackups } from '@holdfast/kv';
import type { Log } from './log.ts';

/** Backups that are made without being asked for. */
export interface BackupSchedule extends BackupRequest {
  /** From one backup to the next. */
  readonly intervalMs: number;
}

export interface BackupKeeperOptions {
  readonly env: Env;
  readonly log: Log;
  readonly store: Pick<LocalStore, 'backup'>;
  readonly schedule: BackupSchedule | undefined;
}

/** A backup that failed is tried again after this, or after the interval if that is shorter. */
const RETRY_MS = 60_000;

/** Makes backups: by the schedule, which goes on where the last process left it, and when asked to. */
export class BackupKeeper {
  readonly #options: BackupKeeperOptions;
  #lastMs: number | undefined;
  #timer: Timer | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #stopped = false;

  private constructor(options: BackupKeeperOptions) {
    this.#options = options;
  }

  /** Looks when the last backup of the schedule was made, and begins. */
  static async start(options: BackupKeeperOptions): Promise<BackupKeeper> {
    const keeper = new BackupKeeper(options);
    const { env, schedule, log } = options;
    if (schedule === undefined) return keeper;
    try {
      keeper.#lastMs = (await listBackups(env, schedule.to)).at(-1)?.createdMs;
    } catch (error) {
      log.warn({ error, to: schedule.to }, 'the folder of backups cannot be read');
    }
    const nextMs = (keeper.#lastMs ?? 0) + schedule.intervalMs;
    keeper.#schedule(Math.min(schedule.intervalMs, Math.max(0, nextMs - env.clock.nowMs())));
    return keeper;
  }

  /** Milliseconds since the state that the last backup holds; undefined where none is known. */
  get ageMs(): number | undefined {
    if (this.#lastMs === undefined) return undefined;
    return Math.max(0, this.#options.env.clock.nowMs() - this.#lastMs);
  }

  /** Makes a backup, after the one that runs if there is one. */
  backUp(request: BackupRequest): Promise<BackupReport> {
    const backup = this.#queue.then(() => this.#backUp(request));
    this.#queue = backup.catch(() => undefined);
    return backup;
  }

  async #backUp(request: BackupRequest): Promise<BackupReport> {
    const { log, store } = this.#options;
    try {
      const report = await store.backup(request);
      this.#lastMs = report.createdMs;
      log.info({ to: request.to, ...report }, 'backed up');
      return report;
    } catch (error) {
      if (!this.#stopped) log.error({ error, to: request.to }, 'the backup failed');
      throw error;
    }
  }

  /** No further backup by the schedule. One that runs is ended by closing the store. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    const { env, schedule } = this.#options;
    if (this.#stopped || schedule === undefined) return;
    this.#timer = env.clock.setTimer(delayMs, () => {
      const { intervalMs, ...request } = schedule;
      // What failed was logged.
      void this.backUp(request).then(
        () => this.#schedule(intervalMs),
        () => this.#schedule(Math.min(intervalMs, RETRY_MS)),
      );
    });
  }
}
