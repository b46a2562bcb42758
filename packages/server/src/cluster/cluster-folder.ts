import { join } from 'node:path';
import { toHex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { makeDurableDirectory } from '@holdfast/env';
import { z } from 'zod';
import type { ResolvedCredentials } from '../credentials.ts';
import { resolveCredentials } from '../credentials.ts';
import { PORTS_FILE, refuseFolderOfStore } from '../folder-use.ts';
import { freePorts } from '../free-ports.ts';
import { ensureSecret, writeSecretOnce } from '../secret-file.ts';
import { SettingsError } from '../settings-error.ts';
import { parseJson, readTextFile } from '../text-file.ts';

const SECRET_BYTES = 32;
const FILE_LIMIT_BYTES = 64 * 1024;

/** A node of a cluster on this machine. */
export interface LocalNode {
  readonly nodeId: string;
  /** Its data folder. */
  readonly directory: string;
  /** Of the S3 API. */
  readonly port: number;
  /** On which the other nodes reach it. */
  readonly peerPort: number;
}

/** What the nodes of one cluster on this machine share, in one folder. */
export interface ClusterFolder {
  readonly directory: string;
  readonly nodes: readonly LocalNode[];
  readonly secretFile: string;
  readonly masterKeyFile: string;
  /** Where the key pair is; undefined where it is that of the environment. */
  readonly credentialsFile: string | undefined;
  readonly credentials: ResolvedCredentials;
}

export interface ClusterFolderOptions {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nodeCount: number;
  /** The S3 port of the first node, the next ones following; 0: any that are free, and the same ones at later starts. */
  readonly port: number;
  /** The same for the ports between nodes. */
  readonly peerPort: number;
}

const portsSchema = z.strictObject({
  ports: z.array(z.number().int().min(1).max(65_535)),
  peerPorts: z.array(z.number().int().min(1).max(65_535)),
});

type Ports = z.infer<typeof portsSchema>;

/**
 * Opens the folder of a cluster on this machine, or makes it: a secret, a master key and a key pair, each in a file of
 * mode 0600, and the ports that were chosen. Durable when it resolves. Throws a SettingsError where the folder was made
 * for another number of nodes, or is that of a single server.
 */
export async function openClusterFolder(
  env: Env,
  options: ClusterFolderOptions,
): Promise<ClusterFolder> {
  const { directory, environment, nodeCount } = options;
  await refuseFolderOfStore(env, directory);
  await makeDurableDirectory(env.files, directory);
  const secretFile = join(directory, 'cluster-secret');
  const masterKeyFile = join(directory, 'master.key');
  for (const path of [secretFile, masterKeyFile]) {
    await ensureSecret(env, directory, path, `${toHex(env.random.bytes(SECRET_BYTES))}\n`);
  }
  const credentials = await resolveCredentials(env, directory, environment);
  const { ports, peerPorts } = await choosePorts(env, options);
  return {
    directory,
    nodes: Array.from({ length: nodeCount }, (_, at) => ({
      nodeId: `n${at + 1}`,
      directory: join(directory, `n${at + 1}`),
      port: ports[at] as number,
      peerPort: peerPorts[at] as number,
    })),
    secretFile,
    masterKeyFile,
    credentialsFile:
      credentials.origin === 'environment' ? undefined : join(directory, 'credentials.json'),
    credentials,
  };
}

async function choosePorts(env: Env, options: ClusterFolderOptions): Promise<Ports> {
  const { directory, nodeCount, port, peerPort } = options;
  const path = join(directory, PORTS_FILE);
  const kept = await readPorts(env, path);
  if (kept !== undefined && kept.ports.length !== nodeCount) {
    throw new SettingsError(
      `${directory} has a cluster of ${kept.ports.length} nodes: start it with --nodes ${kept.ports.length}.`,
    );
  }
  const free = kept ?? (await freePairs(nodeCount));
  if (kept === undefined) {
    await writeSecretOnce(env, directory, path, `${JSON.stringify(free)}\n`);
  }
  const from = (first: number, chosen: readonly number[]): number[] =>
    first === 0 ? [...chosen] : Array.from({ length: nodeCount }, (_, at) => first + at);
  return { ports: from(port, free.ports), peerPorts: from(peerPort, free.peerPorts) };
}

async function freePairs(nodeCount: number): Promise<Ports> {
  const all = await freePorts(2 * nodeCount);
  return { ports: all.slice(0, nodeCount), peerPorts: all.slice(nodeCount) };
}

async function readPorts(env: Env, path: string): Promise<Ports | undefined> {
  const text = await readTextFile(env, path, FILE_LIMIT_BYTES);
  if (text === undefined) return undefined;
  const parsed = portsSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new SettingsError(`${path} cannot be read: remove it, and ports are chosen anew.`, {
    cause: parsed.error,
  });
}
