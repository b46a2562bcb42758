import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { S3Client } from '@aws-sdk/client-s3';
import { cleanEnvironment, LAUNCHER } from './command.ts';
import { besideSyncs } from './longest-sync.ts';
import { waitUntil, within } from './wait-until.ts';

export interface HoldfastOptions {
  /** Data folder. */
  readonly directory: string;
  /** Further arguments of `holdfast serve`. */
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Another Node.js than that of the tests. */
  readonly node?: string;
  /** The command as it is published, say. Default: that of the workspace. */
  readonly launcher?: string | undefined;
  /** A program and its arguments that starts the server and keeps its process id: `unshare`, `strace -D`. */
  readonly wrapper?: readonly string[];
}

/** After the grace for requests a second and a half is left of the ten that a stop may take. */
const STALL_MS = 1000;

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Ends with the test process, however that ends. */
const alive = new Set<Child>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

export const CREDENTIALS = {
  accessKeyId: 'e2e-access-key',
  secretAccessKey: 'e2e-secret-key-not-a-default',
} as const;

/** A real `holdfast serve` on a free port. `await using` kills it at the end of its scope. */
export class HoldfastProcess implements AsyncDisposable {
  readonly #child: Child;
  readonly #clients: S3Client[] = [];
  readonly #exited: Promise<number>;
  output = '';
  errors = '';
  hasEnded = false;

  private constructor(child: Child) {
    this.#child = child;
    alive.add(child);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.#exited = once(child, 'close').then((values: unknown[]) => {
      alive.delete(child);
      this.hasEnded = true;
      return typeof values[0] === 'number' ? values[0] : -1;
    });
  }

  /** Resolves when the server answers. Rejects with what it printed where it does not. */
  static async start(options: HoldfastOptions): Promise<HoldfastProcess> {
    const server = HoldfastProcess.spawn(options);
    try {
      await server.ready();
    } catch (error) {
      await server.kill();
      throw error;
    }
    return server;
  }

  /** Starts it and does not wait. */
  static spawn(options: HoldfastOptions): HoldfastProcess {
    const [program = '', ...words] = [
      ...(options.wrapper ?? []),
      options.node ?? process.execPath,
      options.launcher ?? LAUNCHER,
      'serve',
      '--port',
      '0',
      '--data',
      options.directory,
      ...(options.arguments ?? []),
    ];
    const child = spawn(program, words, {
      env: cleanEnvironment(
        options.environment ?? {
          HOLDFAST_ACCESS_KEY: CREDENTIALS.accessKeyId,
          HOLDFAST_SECRET_KEY: CREDENTIALS.secretAccessKey,
        },
      ),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new HoldfastProcess(child);
  }

  /** Resolves when the server answers. Rejects with what it printed where it does not. */
  async ready(): Promise<void> {
    await waitUntil('the server prints its endpoint', () => {
      if (this.hasEnded) throw new Error(`holdfast ended: ${this.output}${this.errors}`);
      return / {2}data {2}.*\n/.test(this.output);
    });
  }

  get endpoint(): string {
    const found = /endpoint +(https?:\S+)/.exec(this.output)?.[1];
    if (found === undefined) throw new Error(`no endpoint in: ${this.output}`);
    return found;
  }

  get port(): number {
    return Number(new URL(this.endpoint).port);
  }

  /** A client that fails at once rather than repeat what was cut. Destroyed with the server. */
  client(config: S3ClientConfig = {}): S3Client {
    const client = new S3Client({
      endpoint: this.endpoint,
      region: 'us-east-1',
      credentials: CREDENTIALS,
      forcePathStyle: true,
      maxAttempts: 1,
      ...config,
    });
    this.#clients.push(client);
    return client;
  }

  get processId(): number {
    return this.#child.pid ?? -1;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Exit code; -1 after SIGKILL. */
  exitCode(): Promise<number> {
    return within('the server ends', this.#exited);
  }

  /** As a power cut does it to a process: no signal handler, no last write. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
    for (const client of this.#clients.splice(0)) client.destroy();
  }

  /** Asks it to stop, and gives its exit code. */
  async stop(): Promise<number> {
    for (const client of this.#clients.splice(0)) client.destroy();
    this.#child.kill('SIGTERM');
    return this.stopped();
  }

  /**
   * The exit code of a stop that has begun. A server ends with 1 where it takes ten seconds, and says so: 0 where they were its
   * disk's, that stood still for others too.
   */
  async stopped(): Promise<number> {
    const { value, longestSyncMs } = await besideSyncs(this.exitCode());
    const isLate = value === 1 && this.errors.includes('the stop takes too long');
    return isLate && longestSyncMs > STALL_MS ? 0 : value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
