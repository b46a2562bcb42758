import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';

const NAMES = ['e1', 'e2', 'e3'];
const START_LIMIT_MS = 30_000;
const POLL_MS = 100;

/** Three members of etcd (Debian: etcd-server), durable as it is by itself. */
export interface EtcdCluster {
  /** For clients. */
  readonly ports: readonly number[];
  /** Idempotent. */
  stop(): Promise<void>;
}

/** Starts them on fresh folders and free ports; undefined where etcd is not installed. */
export async function startEtcd(folder: string): Promise<EtcdCluster | undefined> {
  const ports = await freePorts(6);
  const peers = NAMES.map((name, at) => `${name}=http://127.0.0.1:${ports[3 + at]}`).join(',');
  const members: ChildProcess[] = [];
  try {
    for (const [at, name] of NAMES.entries()) {
      const client = `http://127.0.0.1:${ports[at]}`;
      const peer = `http://127.0.0.1:${ports[3 + at]}`;
      members.push(
        await spawned('etcd', [
          `--name=${name}`,
          `--data-dir=${join(folder, name)}`,
          `--listen-client-urls=${client}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=${peers}`,
          '--log-level=error',
          '--quota-backend-bytes=8000000000',
        ]),
      );
    }
  } catch {
    return undefined;
  }
  await Promise.all(ports.slice(0, 3).map(healthy));
  let stopped: Promise<void> | undefined;
  return {
    ports: ports.slice(0, 3),
    stop: () => {
      stopped ??= stopAll(members);
      return stopped;
    },
  };
}

function spawned(program: string, words: readonly string[]): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: 'ignore' });
    child.once('spawn', () => resolve(child));
    child.once('error', reject);
  });
}

async function healthy(port: number): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    if (response?.ok === true) return;
    if (performance.now() > deadline) throw new Error('etcd does not become healthy');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function stopAll(members: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    members.map((child) => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      return gone;
    }),
  );
}
