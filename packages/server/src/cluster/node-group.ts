import type { Clock } from '@holdfast/env';
import type { ClusterFolder, LocalNode } from './cluster-folder.ts';
import { NodeProcess } from './node-process.ts';

/** After this what still runs is killed: a node stops within ten seconds by itself. */
const STOP_LIMIT_MS = 12_000;
const LOOPBACK = '127.0.0.1';

export interface NodeGroupOptions {
  readonly clock: Clock;
  readonly folder: ClusterFolder;
  /** Further arguments of `holdfast serve`, for every node. */
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onLine: (nodeId: string, line: string) => void;
}

/** The nodes of a cluster as processes of this machine. */
export class NodeGroup {
  readonly #options: NodeGroupOptions;
  readonly #processes = new Map<string, NodeProcess>();

  constructor(options: NodeGroupOptions) {
    this.#options = options;
  }

  /** Those that run. */
  get processes(): readonly NodeProcess[] {
    return [...this.#processes.values()];
  }

  /** Starts every node; all of them serve when this resolves. Rejects where one ended instead. */
  async startAll(): Promise<void> {
    await Promise.all(this.#options.folder.nodes.map((node) => this.start(node).ready));
  }

  /** Starts one that does not run. */
  start(node: LocalNode): NodeProcess {
    const { environment, onLine } = this.#options;
    const started = new NodeProcess({
      node,
      arguments: serveArguments(this.#options.folder, node, this.#options.arguments),
      environment,
      onLine: (line) => onLine(node.nodeId, line),
    });
    this.#processes.set(node.nodeId, started);
    void started.ended.then(() => {
      if (this.#processes.get(node.nodeId) === started) this.#processes.delete(node.nodeId);
    });
    return started;
  }

  /** Asks all to stop, and resolves when they are gone; what takes too long is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { processes } = this;
    for (const one of processes) one.signal(signal);
    const limit = this.#options.clock.setTimer(STOP_LIMIT_MS, () => {
      for (const one of processes) one.signal('SIGKILL');
    });
    await Promise.all(processes.map(({ ended }) => ended));
    limit.cancel();
  }
}

/** Where clients of this machine reach the node. */
export function endpointOf({ port }: LocalNode): string {
  return `http://${LOOPBACK}:${port}`;
}

/** What `holdfast serve` needs to be this node. No secret is among it. */
function serveArguments(
  folder: ClusterFolder,
  node: LocalNode,
  more: readonly string[],
): readonly string[] {
  const members = folder.nodes.map(({ nodeId, peerPort }) => `${nodeId}=${LOOPBACK}:${peerPort}`);
  return [
    '--node',
    node.nodeId,
    '--cluster',
    members.join(','),
    '--cluster-secret-file',
    folder.secretFile,
    '--master-key-file',
    folder.masterKeyFile,
    '--data',
    node.directory,
    '--host',
    LOOPBACK,
    '--port',
    String(node.port),
    ...(folder.credentialsFile === undefined ? [] : ['--credentials-file', folder.credentialsFile]),
    ...more,
  ];
}
