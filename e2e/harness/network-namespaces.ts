import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { runCommand } from './command.ts';

/** A hardware address that nobody has: frames to it are lost, as on a cut cable. */
const NOBODY = '02:00:00:00:00:01';

/** Removed with the test process, however that ends. */
const made = new Set<NetworkNamespaces>();
process.on('exit', () => {
  for (const networks of made) networks.removeNow();
});

/**
 * Nodes that each have a network of their own (a Linux network namespace), joined by a bridge. Frames from one node
 * to another can be lost, in one direction or both, without either of them being told; the test itself reaches all of
 * them throughout. Everything is removed at the end of its scope.
 */
export class NetworkNamespaces implements AsyncDisposable {
  readonly #name: string;
  readonly #prefix: string;
  readonly #count: number;
  readonly #cuts = new Set<string>();

  private constructor(count: number) {
    // Of a link's name 15 characters are taken; the process that made it is in it, so that a later one can tell.
    this.#name = `hf${process.pid.toString(36)}x${randomBytes(2).toString('hex')}`;
    // Source: RFC 2544: addresses for tests, which no real network has.
    this.#prefix = `198.${18 + ((randomBytes(1)[0] as number) % 2)}.${randomBytes(1)[0]}`;
    this.#count = count;
  }

  /** Makes them, or says why this machine cannot. */
  static async create(count: number): Promise<NetworkNamespaces | string> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) {
      return 'networks of their own can only be made by root on Linux';
    }
    await removeAbandoned();
    const networks = new NetworkNamespaces(count);
    made.add(networks);
    try {
      await networks.#make();
      return networks;
    } catch (error) {
      networks.removeNow();
      return `networks of their own cannot be made: ${String(error)}`;
    }
  }

  /** Of node `at`, from 0. */
  address(at: number): string {
    return `${this.#prefix}.${at + 1}`;
  }

  /** What to put before a command, so that it runs on node `at`; it keeps its process id. */
  commandOn(at: number): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespace(at)];
  }

  /** Frames from one node to another are lost from here on. */
  async cut(from: number, to: number): Promise<void> {
    const words = ['neigh', 'replace', this.address(to), 'lladdr', NOBODY, 'dev', 'eth0'];
    await ip(['-n', this.#namespace(from), ...words, 'nud', 'permanent']);
    this.#cuts.add(`${from} ${to}`);
  }

  /** Nobody reaches the node, and it reaches nobody; the test still does. */
  async isolate(at: number): Promise<void> {
    for (let other = 0; other < this.#count; other++) {
      if (other === at) continue;
      await this.cut(at, other);
      await this.cut(other, at);
    }
  }

  /** All frames arrive again. */
  async heal(): Promise<void> {
    for (const cut of this.#cuts) {
      const [from = 0, to = 0] = cut.split(' ').map(Number);
      await ip(['-n', this.#namespace(from), 'neigh', 'del', this.address(to), 'dev', 'eth0']);
      this.#cuts.delete(cut);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.removeNow();
  }

  /** What is not there any more is no error. */
  removeNow(): void {
    made.delete(this);
    for (let at = 0; at < this.#count; at++) {
      remove(['netns', 'del', this.#namespace(at)]);
      remove(['link', 'del', this.#link(at)]);
    }
    remove(['link', 'del', this.#name]);
  }

  async #make(): Promise<void> {
    await ip(['link', 'add', this.#name, 'type', 'bridge']);
    await ip(['addr', 'add', `${this.#prefix}.254/24`, 'dev', this.#name]);
    await ip(['link', 'set', this.#name, 'up']);
    for (let at = 0; at < this.#count; at++) {
      const namespace = this.#namespace(at);
      const link = this.#link(at);
      await ip(['netns', 'add', namespace]);
      const peer = ['peer', 'name', 'eth0', 'netns', namespace];
      await ip(['link', 'add', link, 'type', 'veth', ...peer]);
      await ip(['link', 'set', link, 'master', this.#name, 'up']);
      await ip(['-n', namespace, 'addr', 'add', `${this.address(at)}/24`, 'dev', 'eth0']);
      await ip(['-n', namespace, 'link', 'set', 'eth0', 'up']);
      await ip(['-n', namespace, 'link', 'set', 'lo', 'up']);
    }
  }

  #namespace(at: number): string {
    return `${this.#name}n${at}`;
  }

  #link(at: number): string {
    return `${this.#name}v${at}`;
  }
}

/** What a test process that was killed by a signal has left: its networks, and the servers in them. */
async function removeAbandoned(): Promise<void> {
  for (const folder of ['/run/netns', '/sys/class/net']) {
    for (const name of await readdir(folder).catch(() => [])) {
      const maker = /^hf([0-9a-z]+)x[0-9a-f]{4}(?:n\d+|v\d+)?$/.exec(name)?.[1];
      if (maker === undefined || isRunning(Number.parseInt(maker, 36))) continue;
      if (folder === '/sys/class/net') remove(['link', 'del', name]);
      else {
        const { output } = await runCommand('ip', ['netns', 'pids', name]);
        for (const pid of output.split('\n').filter(Boolean)) end(Number(pid));
        remove(['netns', 'del', name]);
      }
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

async function ip(words: readonly string[]): Promise<void> {
  const { exitCode, errors } = await runCommand('ip', words);
  if (exitCode !== 0) throw new Error(`ip ${words.join(' ')}: ${errors.trim()}`);
}

function remove(words: readonly string[]): void {
  try {
    execFileSync('ip', words, { stdio: 'ignore' });
  } catch {
    // It was not made, or is gone with the other end.
  }
}
