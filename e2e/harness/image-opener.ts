/**
 * Opens images of a cut volume, or data folders, one after the other, in one process (`image-opener-process.ts`). One that opens
 * images has mounts of its own.
 *
 * Why not a process for each: of what a cut costs, the start of a server and its first, slow requests were two thirds.
 * The server in it is the real one, on the real files, and is asked by HTTP.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './command.ts';
import type { Allowed, Verified } from './verify-objects.ts';
import { within } from './wait-until.ts';

const PROGRAM = fileURLToPath(new URL('./image-opener-process.ts', import.meta.url));
/** Of a machine that has much else to do. */

export interface OpenFolder {
  /** The data folder. */
  readonly directory: string;
  readonly bucket: string;
  readonly allowed: Allowed;
}

/** The data folder is below the mount point. */
export interface OpenImage extends OpenFolder {
  readonly image: string;
  /** Where it is mounted, in the process that opens it alone. */
  readonly mountPoint: string;
}

const OWN_MOUNTS = ['unshare', '--mount', '--propagation', 'private'];

export class ImageOpener implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** `opens`: images need root. */
  constructor(opens: 'images' | 'folders' = 'images') {
    const wrapper = opens === 'images' ? OWN_MOUNTS : [];
    const [program, ...words] = [...wrapper, process.execPath, PROGRAM];
    this.#child = spawn(program, words, {
      env: cleanEnvironment(),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.#ended = once(this.#child, 'close');
  }

  /** Mounts it, where it is an image, starts a server on it, and reads all of it: what is wrong with it. That it does not start is a loss like any other. */
  async open(request: OpenImage | OpenFolder): Promise<Verified> {
    const answer = once(this.#child, 'message') as Promise<[Verified]>;
    const ended = this.#ended.then(() => {
      throw new Error('the process that opens images has ended');
    });
    this.#child.send(request);
    const [verified] = await within('an image is read', Promise.race([answer, ended]));
    return verified;
  }

  /** Its mounts, and the loop devices under them, end with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
