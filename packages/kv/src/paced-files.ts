import type { Clock, FileHandle, Files, Timer } from '@holdfast/env';
import { KvError } from './errors.ts';

/** Debts below this are paid together with the next. */
const SHORTEST_PAUSE_MS = 10;

/** Lets bytes through at a rate, by pauses after they were read. */
export class ReadPace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #owedMs = 0;
  #stopped = false;
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined;
  readBytes = 0;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when the bytes that were read are paid for. KV_CLOSED after `stop`. */
  async pay(bytes: number): Promise<void> {
    this.readBytes += bytes;
    this.#owedMs += (bytes * 1000) / this.#bytesPerSecond;
    if (this.#owedMs >= SHORTEST_PAUSE_MS) {
      const owedMs = this.#owedMs;
      this.#owedMs = 0;
      await this.pause(owedMs);
    }
    if (this.#stopped) throw new KvError('KV_CLOSED', 'the scrubber is stopped');
  }

  /** Resolves after `delayMs`, or at once when stopped. */
  async pause(delayMs: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((end) => {
      this.#pause = { timer: this.#clock.setTimer(delayMs, end), end };
    });
    this.#pause = undefined;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#pause?.timer.cancel();
    this.#pause?.end();
  }
}

/** The files as they are, for reading, at the rate of the pace. What writes is not there. */
export function pacedFiles(files: Files, pace: ReadPace): Files {
  const refuse = (): never => {
    throw new KvError('KV_INVALID_ARGUMENT', 'a scrubber only reads');
  };
  return {
    open: async (path, mode) => {
      if (mode !== 'read') return refuse();
      return pacedHandle(await files.open(path, 'read'), pace);
    },
    list: (path) => files.list(path),
    stat: (path) => files.stat(path),
    freeBytes: (path) => files.freeBytes(path),
    allocate: (sizeBytes) => files.allocate(sizeBytes),
    rename: refuse,
    link: refuse,
    unlink: refuse,
    makeDirectory: refuse,
    removeDirectory: refuse,
    syncDirectory: refuse,
    lock: refuse,
  };
}

function pacedHandle(handle: FileHandle, pace: ReadPace): FileHandle {
  const refuse = (): never => {
    throw new KvError('KV_INVALID_ARGUMENT', 'a scrubber only reads');
  };
  return {
    path: handle.path,
    direct: false,
    read: async (target, position) => {
      const got = await handle.read(target, position);
      await pace.pay(got);
      return got;
    },
    sizeBytes: () => handle.sizeBytes(),
    close: () => handle.close(),
    write: refuse,
    writeSynced: refuse,
    sync: refuse,
    truncate: refuse,
  };
}
