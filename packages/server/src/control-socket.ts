import { chmod, mkdir, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as sendRequest } from 'node:http';
import { dirname, join } from 'node:path';
import { OperatingError } from '@holdfast/bytes';
import type { BackupReport, BackupRequest } from '@holdfast/kv';
import { z } from 'zod';

/** Unix sockets have paths of at most 103 bytes on macOS, 107 on Linux. */
const PATH_LIMIT_BYTES = 103;
const REQUEST_LIMIT_BYTES = 64 * 1024;

const requestSchema = z.object({ to: z.string().min(1), keep: z.number().int().min(1).optional() });

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
  backUp: (request: BackupRequest) => Promise<BackupReport>,
): Promise<ControlSocket> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await chmod(dirname(path), 0o700);
  await rm(path, { force: true });
  const server = createServer((request, response) => void answer(request, response, backUp));
  // A backup takes as long as it takes.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return {
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await rm(path, { force: true });
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  backUp: (request: BackupRequest) => Promise<BackupReport>,
): Promise<void> {
  try {
    if (request.method !== 'POST' || request.url !== '/backup') {
      send(response, 404, { message: 'There is no such command.' });
      return;
    }
    const { to, keep } = requestSchema.parse(JSON.parse(await bodyOf(request)));
    send(response, 200, await backUp(keep === undefined ? { to } : { to, keep }));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    send(response, error instanceof OperatingError ? 409 : 500, { message });
  }
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

const reportSchema = z.object({
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

/** Asks the server that runs on a data folder for a backup; undefined where none can be asked. */
export async function requestBackup(
  path: string,
  backup: BackupRequest,
): Promise<BackupReport | undefined> {
  const response = await new Promise<IncomingMessage | undefined>((resolve, reject) => {
    const request = sendRequest({ socketPath: path, path: '/backup', method: 'POST' }, resolve);
    request.on('error', (error: NodeJS.ErrnoException) => {
      const nobody = ['ENOENT', 'ECONNREFUSED', 'EACCES'].includes(error.code ?? '');
      if (nobody) resolve(undefined);
      else reject(wentAway(error));
    });
    request.end(JSON.stringify(backup));
  });
  if (response === undefined) return undefined;
  const body: unknown = JSON.parse(await bodyOf(response).catch(rethrow));
  if (response.statusCode === 200) return reportSchema.parse(body);
  throw new BackupRefused(z.object({ message: z.string() }).parse(body).message);
}

function wentAway(cause: unknown): BackupRefused {
  return new BackupRefused('The server went away during the backup; run it again.', { cause });
}

function rethrow(cause: unknown): never {
  throw wentAway(cause);
}

/** What the server said. */
class BackupRefused extends OperatingError {
  override readonly code = 'BACKUP_REFUSED';
  override readonly retryable = false;
}
