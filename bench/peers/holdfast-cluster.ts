import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ServerProcess, startServerProcess } from '../load/server-process.ts';
import { freePorts } from './free-ports.ts';

const LAY_OUT = join(import.meta.dirname, '../../scripts/lay-out-published.ts');
const NODES = ['n1', 'n2', 'n3'];

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Three real processes that are one store. */
export interface HoldfastCluster {
  readonly ports: readonly number[];
  /** The position of the leader; waits until there is one. */
  leader(): Promise<number>;
  /** As a power cut does it to a process. */
  kill(at: number): void;
  restart(at: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts them as they are published, on fresh folders and free ports. */
export async function startHoldfastCluster(
  folder: string,
  keys: Keys,
  bucket: string,
): Promise<HoldfastCluster> {
  const app = join(folder, 'app');
  mkdirSync(app, { recursive: true });
  const { stdout } = await promisify(execFile)(process.execPath, [LAY_OUT, app]);
  const launcher = stdout.trim();
  const ports = await freePorts(6);
  const secret = join(folder, 'secret');
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  const members = NODES.map((name, at) => `${name}=127.0.0.1:${ports[3 + at]}`).join(',');
  const start = (at: number): Promise<ServerProcess> =>
    startServerProcess(
      process.execPath,
      [
        ...process.execArgv,
        launcher,
        'serve',
        '--node',
        NODES[at] as string,
        '--cluster',
        members,
        '--cluster-secret-file',
        secret,
        '--data',
        join(folder, NODES[at] as string),
        '--port',
        String(ports[at]),
        '--bucket',
        bucket,
        '--log-level',
        'error',
      ],
      /http:\/\/127\.0\.0\.1:(\d+)/,
      { HOLDFAST_ACCESS_KEY: keys.accessKeyId, HOLDFAST_SECRET_KEY: keys.secretAccessKey },
    );
  const nodes = await Promise.all(NODES.map((_, at) => start(at)));
  return {
    ports: ports.slice(0, 3),
    leader: () => leaderOf(ports.slice(0, 3)),
    kill: (at) => void process.kill((nodes[at] as ServerProcess).pid, 'SIGKILL'),
    restart: async (at) => {
      nodes[at] = await start(at);
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

async function leaderOf(ports: readonly number[]): Promise<number> {
  for (;;) {
    const pages = await Promise.all(
      ports.map((port) =>
        fetch(`http://127.0.0.1:${port}/_/metrics`, { signal: AbortSignal.timeout(1000) }).then(
          (response) => response.text(),
          () => '',
        ),
      ),
    );
    const leader = pages.findIndex((page) => /^holdfast_cluster_is_leader 1$/m.test(page));
    if (leader !== -1) return leader;
  }
}
