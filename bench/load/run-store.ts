import { type ChildProcess, fork } from 'node:child_process';
import type { PeerName } from '../peers/stores/peer-store.ts';
import type { StoreTask, StoreTaskResult } from './store-messages.ts';

/** A store in a process of its own. */
export class StoreProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** With Node's options of this process, whichever store: those that a server runs with (`scripts/run.mjs`). */
  static async start(name: PeerName, directory: string): Promise<StoreProcess> {
    const child = fork(new URL('./store-process.ts', import.meta.url), { stdio: 'inherit' });
    const started = new StoreProcess(child);
    await started.run({ kind: 'open', name, directory });
    return started;
  }

  run(task: StoreTask): Promise<StoreTaskResult> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void =>
        reject(new Error(`the process of the store ended with ${code}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (message: { result?: StoreTaskResult; error?: string }) => {
        this.#child.off('exit', ended);
        if (message.result !== undefined) resolve(message.result);
        else reject(new Error(message.error ?? 'the process of the store said nothing'));
      });
      this.#child.send(task);
    });
  }

  async close(): Promise<void> {
    await this.run({ kind: 'close' });
  }

  /** Ends the process, whatever it does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
