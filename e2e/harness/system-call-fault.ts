/** System calls of a running server that fail, by strace. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { waitUntil, within } from './wait-until.ts';

/** What the server does with files. Node.js makes each of these calls in a thread of its pool. */
export const FILE_CALLS = [
  'openat',
  'pread64',
  'pwrite64',
  'fdatasync',
  'fsync',
  'ftruncate',
  'rename',
  'unlink',
] as const;
export type FileCall = (typeof FILE_CALLS)[number];

export interface CallFault {
  readonly calls: readonly FileCall[];
  /** `SIGKILL`: the process ends at the call. Else the call is not made, and fails so. */
  readonly fails: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EINTR' | 'SIGKILL';
  /** From 1, each call counted by itself; `2+3`: the second and every third from there. */
  readonly when: string;
}

/** A pool of one thread: strace counts the calls of each thread apart. */
export const ONE_THREAD: Readonly<Record<string, string>> = { UV_THREADPOOL_SIZE: '1' };

const FAILED = /\(INJECTED\)|killed by SIGKILL/;

/** Lets calls of a server fail until the end of its scope. */
export class CallFaults implements AsyncDisposable {
  readonly #strace: ChildProcess;
  readonly #ended: Promise<void>;
  #hasEnded = false;
  /** What strace has printed: the calls. */
  trace = '';

  private constructor(strace: ChildProcess) {
    this.#strace = strace;
    // Why not `exit`: that may come before the last of what it has printed.
    this.#ended = once(strace, 'close').then(() => {
      this.#hasEnded = true;
    });
    strace.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.trace += text;
    });
  }

  /** Resolves when the next call counts. The server must have been started with `ONE_THREAD`. */
  static async into(processId: number, fault: CallFault): Promise<CallFaults> {
    const calls = fault.calls.join(',');
    const kind = fault.fails === 'SIGKILL' ? 'signal=SIGKILL' : `error=${fault.fails}`;
    const inject = `inject=${calls}:${kind}:when=${fault.when}`;
    const words = ['-p', poolThread(processId), '-y', '-e', `trace=${calls}`, '-e', inject];
    const faults = new CallFaults(spawn('strace', words, { stdio: ['ignore', 'ignore', 'pipe'] }));
    await waitUntil('strace is attached', () => {
      // Why first: a server that the fault kills at once takes strace with it.
      if (faults.trace.includes('attached')) return true;
      if (faults.#hasEnded) throw new Error(`strace ended: ${faults.trace}`);
      return false;
    });
    return faults;
  }

  get hasFailed(): boolean {
    return FAILED.test(this.trace);
  }

  /** The calls that failed, as strace shows them. */
  get injected(): string[] {
    return this.trace.split('\n').filter((line) => FAILED.test(line));
  }

  /** Resolves when strace has said all of a server that has ended. Why: it may be the later of the two to be heard. */
  async told(): Promise<void> {
    await within('strace ends with its server', this.#ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#strace.kill('SIGTERM');
    await this.#ended;
  }
}

function poolThread(processId: number): string {
  const threads = `/proc/${processId}/task`;
  const found = readdirSync(threads).filter((thread) =>
    readFileSync(`${threads}/${thread}/comm`, 'utf8').startsWith('libuv-worker'),
  );
  if (found.length !== 1) throw new Error(`${found.length} threads do the file calls`);
  return found[0] as string;
}
