import type { Address } from '@holdfast/env';

/** A node of the cluster, and where the others reach it. */
export interface ClusterMember {
  readonly nodeId: string;
  readonly address: Address;
}

/** What makes a server a node of a cluster, checked. */
export interface ClusterSettings {
  readonly nodeId: string;
  /** Every node, this one among them, by name. The same on every node. */
  readonly members: readonly ClusterMember[];
  /** File with what all nodes know and nobody else. */
  readonly secretFile: string;
  /** Where this node takes the connections of the others: its own address, or what `--peer-listen` says. */
  readonly listen: Address;
  /** The cluster is there already, and will be told to add this node. */
  readonly join: boolean;
  /** Of a cluster that was recovered from the loss of a quorum; undefined where the folder, or the secret, says it. */
  readonly clusterId: string | undefined;
}

/** As the command line, or the environment in its place, gave it. */
export interface ClusterOptions {
  readonly node?: string | undefined;
  readonly cluster?: string | undefined;
  readonly clusterSecretFile?: string | undefined;
  readonly peerListen?: string | undefined;
  readonly join?: boolean | undefined;
  readonly clusterId?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** It goes into TLS identities: as `@holdfast/env` takes it. */
export const NODE_NAME: RegExp = /^[A-Za-z0-9._-]{1,64}$/;
const ADDRESS = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/;
const CLUSTER_ID = /^[0-9a-f]{32}$/;
const MEMBER_LIMIT = 9;

export const NODE_RULE = 'has 1 to 64 letters, digits, dots, hyphens and underscores';
const CLUSTER_RULE =
  '--cluster is a list such as n1=10.0.0.1:9400,n2=10.0.0.2:9400,n3=10.0.0.3:9400.';

/** The options of a command line, and from the environment those that it does not have. An empty variable is not set. */
export function clusterOptionsOf(
  options: ClusterOptions,
  environment: Environment,
): ClusterOptions {
  const variable = (name: string): string | undefined => environment[name] || undefined;
  return {
    node: options.node ?? variable('HOLDFAST_NODE'),
    cluster: options.cluster ?? variable('HOLDFAST_CLUSTER'),
    clusterSecretFile: options.clusterSecretFile ?? variable('HOLDFAST_CLUSTER_SECRET_FILE'),
    peerListen: options.peerListen ?? variable('HOLDFAST_PEER_LISTEN'),
    join: options.join === true || variable('HOLDFAST_JOIN') !== undefined,
    clusterId: options.clusterId ?? variable('HOLDFAST_CLUSTER_ID'),
  };
}

/**
 * Checks them. undefined where there is no word of a cluster; else the settings, or a sentence for each thing that is
 * wrong.
 */
export function parseClusterSettings(
  options: ClusterOptions,
): ClusterSettings | readonly string[] | undefined {
  const { node, cluster, clusterSecretFile, peerListen, join = false, clusterId } = options;
  if (node === undefined && cluster === undefined) return orphans(options);
  const problems: string[] = [];
  if (node === undefined) problems.push('--cluster needs --node, the name of this node in it.');
  else if (!NODE_NAME.test(node)) problems.push(`--node ${NODE_RULE}.`);
  if (cluster === undefined) problems.push(`--node needs --cluster. ${CLUSTER_RULE}`);
  if (clusterSecretFile === undefined) {
    problems.push(
      '--cluster needs --cluster-secret-file: a file of at least 32 random bytes, the same on every node.',
    );
  }
  const members = parseMembers(cluster, problems);
  const own = members.find(({ nodeId }) => nodeId === node);
  if (node !== undefined && members.length > 0 && own === undefined) {
    const names = members.map(({ nodeId }) => nodeId).join(', ');
    problems.push(`--node ${node} is not in --cluster, which names ${names}.`);
  }
  const listen = peerListen === undefined ? own?.address : parseAddress(peerListen);
  if (peerListen !== undefined && listen === undefined) {
    problems.push('--peer-listen is an address with a port, such as 0.0.0.0:9400.');
  }
  if (clusterId !== undefined && !CLUSTER_ID.test(clusterId)) {
    problems.push(
      '--cluster-id has 32 hexadecimal digits, as `holdfast cluster status` prints it.',
    );
  }
  if (problems.length > 0 || !node || !clusterSecretFile || !listen) return problems;
  return { nodeId: node, members, secretFile: clusterSecretFile, listen, join, clusterId };
}

/** `host:port`, or `[v6]:port`; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const [, v6, host = v6, port = ''] = ADDRESS.exec(text) ?? [];
  const number = Number(port);
  if (host === undefined || number < 1 || number > 65_535) return undefined;
  return { host, port: number };
}

/** As `parseAddress` reads it. */
export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `name=host:port`; undefined for anything else. */
export function parseMember(text: string): ClusterMember | undefined {
  const at = text.indexOf('=');
  const nodeId = text.slice(0, at);
  const address = parseAddress(text.slice(at + 1));
  if (at < 1 || !NODE_NAME.test(nodeId) || address === undefined) return undefined;
  return { nodeId, address };
}

function parseMembers(cluster: string | undefined, problems: string[]): ClusterMember[] {
  if (cluster === undefined) return [];
  const members: ClusterMember[] = [];
  const taken = new Set<string>();
  const texts = cluster.split(',').map((text) => text.trim());
  for (const text of texts.filter((one) => one !== '')) {
    const member = parseMember(text);
    if (member === undefined) {
      problems.push(`--cluster: "${text}" is not NAME=HOST:PORT. ${CLUSTER_RULE}`);
      continue;
    }
    for (const word of [member.nodeId, addressText(member.address)]) {
      if (taken.has(word)) problems.push(`--cluster names ${word} twice.`);
      taken.add(word);
    }
    members.push(member);
  }
  if (members.length === 0 && problems.length === 0) problems.push(CLUSTER_RULE);
  if (members.length > MEMBER_LIMIT)
    problems.push(`--cluster names at most ${MEMBER_LIMIT} nodes.`);
  return members.toSorted((one, other) => (one.nodeId < other.nodeId ? -1 : 1));
}

/** Options that mean nothing without a cluster. */
function orphans(options: ClusterOptions): readonly string[] | undefined {
  const found = [
    options.clusterSecretFile !== undefined && '--cluster-secret-file',
    options.peerListen !== undefined && '--peer-listen',
    options.join === true && '--join',
    options.clusterId !== undefined && '--cluster-id',
  ].filter((name) => name !== false);
  if (found.length === 0) return undefined;
  return found.map((name) => `${name} is for a node of a cluster: give --node and --cluster too.`);
}
