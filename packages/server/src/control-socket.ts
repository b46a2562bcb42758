import { chmod, mkdir, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as sendRequest } from 'node:http';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { OperatingError } from '@holdfast/bytes';
import type { BackupReport, BackupRequest } from '@holdfast/kv';
import type { Cluster } from '@holdfast/replica';
import { z } from 'zod';
import type { ClusterRequest, ClusterView } from './cluster/cluster-requests.ts';
import {
  doClusterRequest,
  parseClusterRequest,
  parseClusterView,
} from './cluster/cluster-requests.ts';
import type { CollectionReport, CollectionStep } from './collect-now.ts';

/** Unix sockets have paths of at most 103 bytes on macOS, 107 on Linux. */
const PATH_LIMIT_BYTES = 103;
const REQUEST_LIMIT_BYTES = 64 * 1024;
/** A server that stands still for so long is not asked. */
const ANSWER_LIMIT_MS = 10_000;
const SILENT =
  'The server of this data folder runs, and has not answered for 10 s: it stands still (SIGSTOP), or its machine has no time for it.';

const requestSchema = z.object({ to: z.string().min(1), keep: z.number().int().min(1).optional() });

/** What the server of a data folder does for its owner. */
export interface ControlCommands {
  backUp(request: BackupRequest): Promise<BackupReport>;
  collect(onStep: (step: CollectionStep) => void): Promise<CollectionReport>;
  /** Left out where the server is alone. */
  readonly cluster?: Cluster;
}

export interface ControlSocket {
  /** Idempotent. Cuts what is not answered. */
  close(): Promise<void>;
}

/** Where the server of a data folder is asked to do things. */
export function controlPath(directory: string): string {
  return join(directory, 'control', 'socket');
}

/** Whether there can be such a socket: not on Windows, and not below a very long path. */
export function canHaveControlSocket(path: string): boolean {
  return process.platform !== 'win32' && Buffer.byteLength(path) <= PATH_LIMIT_BYTES;
}

/**
 * Listens for commands of the data folder's owner. Safety: the socket is in a folder of mode 0700 and has mode
 * 0600 itself, so who may ask is who may read the data; nothing of it is on the network. The caller has locked
 * the data folder, so a socket that is there already is of a process that died.
 */
export async function openControlSocket(
  path: string,
  commands: ControlCommands,
): Promise<ControlSocket> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await chmod(dirname(path), 0o700);
  await rm(path, { force: true });
  const server = createServer((request, response) => void answer(request, response, commands));
  // A command takes as long as it takes.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    await rm(path, { force: true });
  };
  try {
    await chmod(path, 0o600);
  } catch (cause) {
    await close();
    throw cause;
  }
  return { close };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  commands: ControlCommands,
): Promise<void> {
  try {
    const command = `${request.method} ${request.url}`;
    if (command === 'POST /collect') {
      await answerCollection(response, commands);
    } else if (command === 'POST /backup') {
      const { to, keep } = requestSchema.parse(JSON.parse(await bodyOf(request)));
      send(response, 200, await commands.backUp(keep === undefined ? { to } : { to, keep }));
    } else if (command === 'POST /cluster' && commands.cluster !== undefined) {
      const asked = parseClusterRequest(JSON.parse(await bodyOf(request)));
      send(response, 200, await doClusterRequest(commands.cluster, asked));
    } else if (command === 'POST /cluster') {
      send(response, 409, { message: 'This server is no node of a cluster.' });
    } else {
      send(response, 404, { message: 'There is no such command.' });
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (response.headersSent) response.end(`${JSON.stringify({ message })}\n`);
    else send(response, error instanceof OperatingError ? 409 : 500, { message });
  }
}

/** A line of JSON for each step, and one for the report or for what went wrong. */
async function answerCollection(
  response: ServerResponse,
  commands: ControlCommands,
): Promise<void> {
  const report = await commands.collect((step) => {
    if (!response.headersSent) {
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    }
    response.write(`${JSON.stringify(step)}\n`);
  });
  response.end(`${JSON.stringify(report)}\n`);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

async function bodyOf(stream: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of stream) {
    sizeBytes += (piece as Buffer).length;
    if (sizeBytes > REQUEST_LIMIT_BYTES) throw new Error('The request is too long.');
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces).toString('utf8');
}

const refusalSchema = z.object({ message: z.string() });

const backupSchema = z.object({
  index: z.number(),
  oldestIndex: z.number(),
  createdMs: z.number(),
  files: z.number(),
  sizeBytes: z.number(),
  copiedBytes: z.number(),
  linkedBytes: z.number(),
  reusedBytes: z.number(),
  durationMs: z.number(),
});

/** A line of the answer to a collection. */
const collectionSchema = z.union([
  z.discriminatedUnion('step', [
    z.object({ step: z.literal('begun'), fileBytes: z.number(), liveBytes: z.number() }),
    z.object({ step: z.literal('swept'), deletedChunks: z.number(), deletedBytes: z.number() }),
    z.object({
      step: z.literal('rewritten'),
      rewrittenSegments: z.number(),
      movedBytes: z.number(),
    }),
  ]),
  z.object({
    beforeBytes: z.number(),
    afterBytes: z.number(),
    liveBytes: z.number(),
    paused: z.boolean(),
    damaged: z.array(z.string()),
  }),
  refusalSchema,
]);

/** Asks the server that runs on a data folder for a backup; undefined where none can be asked. */
export async function requestBackup(
  path: string,
  backup: BackupRequest,
): Promise<BackupReport | undefined> {
  const response = await post(path, '/backup', 'backup', backup);
  if (response === undefined) return undefined;
  const body: unknown = JSON.parse(await bodyOf(response).catch(rethrow('backup')));
  if (response.statusCode === 200) return backupSchema.parse(body);
  throw new CommandRefused(refusalSchema.parse(body).message);
}

/** Asks the server that runs on a data folder to collect garbage; undefined where none can be asked. */
export async function requestCollection(
  path: string,
  onStep: (step: CollectionStep) => void,
): Promise<CollectionReport | undefined> {
  const response = await post(path, '/collect', 'collection', {});
  if (response === undefined) return undefined;
  try {
    for await (const line of createInterface({ input: response })) {
      const said = collectionSchema.parse(JSON.parse(line));
      if ('message' in said) throw new CommandRefused(said.message);
      if (!('step' in said)) return said;
      onStep(said);
    }
  } catch (error) {
    throw error instanceof CommandRefused ? error : wentAway('collection', error);
  }
  throw wentAway('collection');
}

/** Asks a node of a cluster to look at it, or to change it; undefined where none can be asked. */
export async function requestOfCluster(
  path: string,
  asked: ClusterRequest,
): Promise<ClusterView | undefined> {
  const response = await post(path, '/cluster', 'command', asked);
  if (response === undefined) return undefined;
  const body: unknown = JSON.parse(await bodyOf(response).catch(rethrow('command')));
  if (response.statusCode === 200) return parseClusterView(body);
  throw new CommandRefused(refusalSchema.parse(body).message);
}

async function post(
  socketPath: string,
  path: string,
  what: string,
  body: object,
): Promise<IncomingMessage | undefined> {
  return await new Promise((resolve, reject) => {
    // Why asked first whether to go on: a command takes as long as it takes, and a process that stands still takes none.
    const headers = { Expect: '100-continue' };
    const request = sendRequest({ socketPath, path, method: 'POST', headers }, resolve);
    request.setTimeout(ANSWER_LIMIT_MS, () => request.destroy(new CommandRefused(SILENT)));
    request.once('continue', () => {
      request.setTimeout(0);
      request.end(JSON.stringify(body));
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const nobody = ['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes(error.code ?? '');
      if (nobody) resolve(undefined);
      else if (error.code === 'EACCES') reject(new CommandRefused(denied(socketPath)));
      else reject(error instanceof CommandRefused ? error : wentAway(what, error));
    });
    request.flushHeaders();
  });
}

/** Why not as where nobody is: whoever runs there would be taken for one that cannot be asked, or for nobody. */
function denied(socketPath: string): string {
  return `This user may not open ${socketPath}, through which the server of this data folder is asked. Run the command as the owner of the folder.`;
}

function wentAway(what: string, cause?: unknown): CommandRefused {
  return new CommandRefused(`The server went away during the ${what}; run it again.`, { cause });
}

function rethrow(what: string): (cause: unknown) => never {
  return (cause) => {
    throw wentAway(what, cause);
  };
}

/** What the server said. */
class CommandRefused extends OperatingError {
  override readonly code = 'COMMAND_REFUSED';
  override readonly retryable = false;
}
