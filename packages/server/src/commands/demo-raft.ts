import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { signRequest } from '@holdfast/s3';
import type { ClusterFolder, LocalNode } from '../cluster/cluster-folder.ts';
import { openClusterFolder } from '../cluster/cluster-folder.ts';
import { endpointOf, NodeGroup } from '../cluster/node-group.ts';
import { controlPath, requestOfCluster } from '../control-socket.ts';
import { SettingsError } from '../settings-error.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

const NODES = 3;
const BUCKET = 'demo';
const REGION = 'us-east-1';
const POLL_MS = 20;
/** For an election, or for a node to come back, on a machine that is busy. */
const STEP_LIMIT_MS = 60_000;
const REQUEST_LIMIT_MS = 5_000;

/**
 * Three real processes: a leader is elected, a put is seen on all, the leader is killed, another one is elected, and the
 * next put is seen as well. Every line is what was seen, not what should be.
 */
export async function demoRaft(
  terminal: Terminal,
  options: { readonly data?: string },
): Promise<ExitCode> {
  const env = await createNodeEnv();
  const isKept = options.data !== undefined;
  const directory = isKept
    ? resolve(terminal.workingDirectory, options.data)
    : await mkdtemp(join(tmpdir(), 'holdfast-demo-'));
  const folder = await openClusterFolder(env, {
    directory,
    environment: terminal.environment,
    nodeCount: NODES,
    port: 0,
    peerPort: 0,
  });
  const group = new NodeGroup({
    clock: env.clock,
    folder,
    arguments: ['--log-level', 'error', '--bucket', BUCKET],
    environment: terminal.environment,
    onLine: (nodeId, line) => terminal.printError(`${nodeId} | ${line}\n`),
  });
  const interrupted = new Promise<'interrupted'>((settle) => {
    terminal.onSignal(() => settle('interrupted'));
  });
  try {
    const end = await Promise.race([new Demo(terminal, env, folder, group).run(), interrupted]);
    return end === 'interrupted' ? 1 : 0;
  } finally {
    await group.stop();
    if (!isKept) await rm(directory, { recursive: true, force: true });
    await env.digests.close();
  }
}

/** What a node says of the leader. */
interface Seen {
  readonly leader: LocalNode;
  readonly term: number;
}

class Demo {
  readonly #terminal: Terminal;
  readonly #env: Env;
  readonly #folder: ClusterFolder;
  readonly #group: NodeGroup;

  constructor(terminal: Terminal, env: Env, folder: ClusterFolder, group: NodeGroup) {
    this.#terminal = terminal;
    this.#env = env;
    this.#folder = folder;
    this.#group = group;
  }

  async run(): Promise<void> {
    const { nodes } = this.#folder;
    await this.#group.startAll();
    for (const { node, processId } of this.#group.processes) {
      this.#say(`[node] ${node.nodeId} serves ${endpointOf(node)} as process ${processId}`);
    }
    const first = await this.#leader(nodes, 0);
    this.#say(`[raft] ${first.leader.nodeId} became LEADER term=${first.term}`);
    await this.#put('a', '100', nodes);
    await this.#show('a', nodes);
    this.#say(`=== The leader ${first.leader.nodeId} is killed (SIGKILL) ===`);
    const beganMs = this.#env.clock.monotonicMs();
    await this.#kill(first.leader);
    const others = nodes.filter((node) => node !== first.leader);
    const second = await this.#leader(others, first.term);
    const took = Math.round(this.#env.clock.monotonicMs() - beganMs);
    this.#say(`[raft] ${second.leader.nodeId} became LEADER term=${second.term}, ${took} ms later`);
    await this.#put('b', '200', others);
    await this.#show('b', others);
    this.#say(`=== ${first.leader.nodeId} is started again ===`);
    await this.#group.start(first.leader).ready;
    await this.#show('a', nodes);
    await this.#show('b', nodes);
  }

  #say(line: string): void {
    this.#terminal.print(`${line}\n`);
  }

  async #kill(node: LocalNode): Promise<void> {
    const found = this.#group.processes.find((one) => one.node === node);
    found?.signal('SIGKILL');
    await found?.ended;
  }

  /** The leader of a term after `term`, as soon as all that are asked agree on it. */
  async #leader(asked: readonly LocalNode[], term: number): Promise<Seen> {
    return this.#until('a leader was elected', async () => {
      const views = await Promise.all(
        asked.map(({ directory }) =>
          requestOfCluster(controlPath(directory), { do: 'status' }).catch(() => undefined),
        ),
      );
      const [view] = views;
      const agree = views.every(
        (other) => other?.leaderId === view?.leaderId && other?.term === view?.term,
      );
      const leader = asked.find(({ nodeId }) => nodeId === view?.leaderId);
      if (!agree || view === undefined || leader === undefined || view.term <= term)
        return undefined;
      return { leader, term: view.term };
    });
  }

  async #put(key: string, value: string, through: readonly LocalNode[]): Promise<void> {
    // Not through the leader: any node answers any request.
    const node = through[0] as LocalNode;
    const status = await this.#until(`${key} was put`, async () => {
      const answer = await this.#send('PUT', node, key, value);
      return answer.status === 503 ? undefined : answer.status;
    });
    this.#say(`Put(${key}=${value}) through ${node.nodeId} -> ${status}`);
    if (status !== 200) throw new SettingsError(`The put was answered with ${status}.`);
  }

  /** What every one of them answers. */
  async #show(key: string, asked: readonly LocalNode[]): Promise<void> {
    const seen = await Promise.all(
      asked.map(async (node) => {
        const { status, text } = await this.#send('GET', node, key);
        return `${node.nodeId}.get(${key})=${status === 200 ? text : `status ${status}`}`;
      }),
    );
    this.#say(seen.join(' '));
  }

  async #send(
    method: string,
    node: LocalNode,
    key: string,
    value?: string,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const url = new URL(`/${BUCKET}/${key}`, endpointOf(node));
    const body = value === undefined ? undefined : utf8(value);
    const request = { method, target: url.pathname, host: url.host, ...(body && { body }) };
    const keys = { ...this.#folder.credentials, region: REGION };
    const headers = signRequest(request, keys, this.#env.clock.nowMs());
    const signal = AbortSignal.timeout(REQUEST_LIMIT_MS);
    const response = await fetch(url, { method, headers, body: value ?? null, signal });
    return { status: response.status, text: await response.text() };
  }

  async #until<Value>(what: string, look: () => Promise<Value | undefined>): Promise<Value> {
    const { clock } = this.#env;
    const deadlineMs = clock.monotonicMs() + STEP_LIMIT_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (clock.monotonicMs() > deadlineMs) {
        throw new SettingsError(`Not within ${STEP_LIMIT_MS / 1000} seconds: ${what}.`);
      }
      await new Promise<void>((resolve) => {
        clock.setTimer(POLL_MS, resolve);
      });
    }
  }
}
