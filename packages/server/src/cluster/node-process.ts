import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { SERVER_OPTIONS } from '../node-options.ts';
import type { LocalNode } from './cluster-folder.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/holdfast.mjs', import.meta.url));
/** The first line that `holdfast serve` prints once requests are served. */
const READY = /^Holdfast .* is ready\.$/;
const LAST_LINES = 5;

/** How a process ended: by itself, with a code, or by a signal. */
export type ProcessEnd = { readonly code: number } | { readonly signal: string };

export interface NodeProcessOptions {
  readonly node: LocalNode;
  /** Arguments of `holdfast serve`. */
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Gets every line that the process logs. */
  readonly onLine: (line: string) => void;
}

/** A `holdfast serve` of its own process. It stops by itself when this process is gone. */
export class NodeProcess {
  readonly node: LocalNode;
  /** Resolves when requests are served; rejects where the process ends before, with its last lines. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lastLines: string[] = [];

  constructor(options: NodeProcessOptions) {
    this.node = options.node;
    const words = [
      ...SERVER_OPTIONS,
      LAUNCHER,
      'serve',
      '--until-input-ends',
      ...options.arguments,
    ];
    this.#child = spawn(process.execPath, words, {
      env: { ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // A child that is gone takes no input.
    this.#child.stdin.on('error', () => undefined);
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.ready.catch(() => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      if (READY.test(line)) ready.resolve();
    });
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
      options.onLine(line);
    });
    this.ended = endOf(this.#child);
    void this.ended.then(() => ready.reject(new Error(this.#lastLines.join('\n'))));
  }

  get processId(): number {
    return this.#child.pid ?? -1;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

async function endOf(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
): Promise<ProcessEnd> {
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return signal === null ? { code: code ?? 1 } : { signal };
  } catch {
    // It could not be started at all.
    return { code: 1 };
  }
}
