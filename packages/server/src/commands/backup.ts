import { resolve } from 'node:path';
import type { Env } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import type { BackupReport, BackupRequest, RestoreReport, VerifiedBackup } from '@holdfast/kv';
import { restoreBackup, verifyBackups } from '@holdfast/kv';
import { restoreMember } from '@holdfast/replica';
import { NODE_NAME, NODE_RULE } from '../cluster/cluster-settings.ts';
import { canHaveControlSocket, controlPath, requestBackup } from '../control-socket.ts';
import { reportFailure } from '../failure.ts';
import { openLoneStore, requireStore } from '../lone-store.ts';
import { SettingsError } from '../settings-error.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

export interface BackupOptions {
  readonly data: string;
  readonly to?: string;
  readonly keep?: string;
}

/** Backs a data folder up, whether a server runs on it or not. */
export function backup(terminal: Terminal, options: BackupOptions): Promise<ExitCode> {
  const to = pathOf(terminal, options.to, '--to needs the path of a folder for the backups.');
  const directory = resolve(terminal.workingDirectory, options.data);
  const keep = wholeNumber(options.keep, 1, '--keep is a number of backups, 1 or more.');
  return withEnv(terminal, directory, async (env) => {
    await requireStore(env, directory);
    const request = { to, ...(keep === undefined ? {} : { keep }) };
    terminal.print(describeBackup(await runBackup(env, directory, request), to));
    return 0;
  });
}

/** By the server that runs on the folder; where none does, by this process. */
async function runBackup(
  env: Env,
  directory: string,
  request: BackupRequest,
): Promise<BackupReport> {
  const path = controlPath(directory);
  const report = canHaveControlSocket(path) ? await requestBackup(path, request) : undefined;
  if (report !== undefined) return report;
  const store = await openLoneStore({ env, directory });
  try {
    return await store.backup(request);
  } finally {
    await store.close();
  }
}

/** Checks every backup in a folder. Exits with 1 where something is wrong, or only a newer Holdfast can tell. */
export function backupVerify(terminal: Terminal, folder: string): Promise<ExitCode> {
  const directory = resolve(terminal.workingDirectory, folder);
  return withEnv(terminal, directory, async (env) => {
    let isWhole = true;
    for (const found of await verifyBackups(env, directory)) {
      const problems = found.newer === undefined ? found.problems : [found.newer];
      terminal.print(
        `backup of ${timeText(found.createdMs)}: ${verdictOn(found)}; index ${found.oldestIndex} to ${found.index}, ` +
          `${found.files} files, ${found.sizeBytes} bytes, ${found.keys} keys in tables\n`,
      );
      for (const problem of problems) terminal.print(`  ${problem}\n`);
      if (problems.length > 0) isWhole = false;
    }
    return isWhole ? 0 : 1;
  });
}

function verdictOn({ problems, newer }: VerifiedBackup): string {
  if (newer !== undefined) return 'NEWER';
  return problems.length === 0 ? 'whole' : 'DAMAGED';
}

export interface RestoreOptions {
  readonly data?: string;
  readonly from?: string;
  readonly atIndex?: string;
  readonly atTime?: string;
  readonly node?: string;
}

/** Makes a new data folder from a backup. */
export function restore(terminal: Terminal, options: RestoreOptions): Promise<ExitCode> {
  const from = pathOf(terminal, options.from, '--from needs the path of a folder of backups.');
  const directory = pathOf(terminal, options.data, '--data needs the path of a new folder.');
  const atIndex = wholeNumber(options.atIndex, 0, '--at-index is an index of the log.');
  const atMs = options.atTime === undefined ? undefined : timeOf(options.atTime);
  if (atIndex !== undefined && atMs !== undefined) {
    throw new SettingsError('--at-index and --at-time exclude each other.');
  }
  const { node } = options;
  if (node !== undefined && !NODE_NAME.test(node)) throw new SettingsError(`--node ${NODE_RULE}.`);
  const aim = {
    ...(atIndex === undefined ? {} : { atIndex }),
    ...(atMs === undefined ? {} : { atMs }),
  };
  return withEnv(terminal, directory, async (env) => {
    const request = { from, directory, ...aim };
    if (node === undefined) {
      const report = await restoreBackup(env, request);
      const { clusterId, nodeId } = report.identity;
      terminal.print(describeRestore(report, directory));
      terminal.print(`  new cluster ${clusterId}, new node ${nodeId}\n`);
      return 0;
    }
    const report = await restoreMember(env, { ...request, nodeId: node });
    terminal.print(describeRestore(report, directory));
    terminal.print(
      `  ${node} is the only voter of the new cluster ${report.clusterId}. Start it with --node ${node}, --cluster ` +
        `${node}=HOST:PORT and --cluster-secret-file. Start each further node with an empty folder, --join and ` +
        `--cluster-id ${report.clusterId}, then: holdfast cluster add, and promote.\n`,
    );
    return 0;
  });
}

/** What a restore did, for people. */
function describeRestore(report: RestoreReport, directory: string): string {
  const time = report.knownMs === undefined ? '' : `, as it was at ${timeText(report.knownMs)}`;
  return `restored to ${directory}: index ${report.index}${time}; ${report.sizeBytes} bytes\n`;
}

/** What a backup did, for people. */
function describeBackup(report: BackupReport, to: string): string {
  return (
    `backed up to ${to}: index ${report.oldestIndex} to ${report.index}, ${report.files} files, ` +
    `${report.sizeBytes} bytes in ${(report.durationMs / 1000).toFixed(1)} s\n` +
    `  copied ${report.copiedBytes}, linked ${report.linkedBytes}, there already ${report.reusedBytes}\n`
  );
}

async function withEnv(
  terminal: Terminal,
  directory: string,
  body: (env: Env) => Promise<ExitCode>,
): Promise<ExitCode> {
  const env = await createNodeEnv();
  try {
    return await body(env);
  } catch (error) {
    return reportFailure(terminal, error, { directory });
  } finally {
    await env.digests.close();
  }
}

function pathOf(terminal: Terminal, path: string | undefined, otherwise: string): string {
  if (path === undefined || path === '') throw new SettingsError(otherwise);
  return resolve(terminal.workingDirectory, path);
}

function wholeNumber(
  text: string | undefined,
  least: number,
  otherwise: string,
): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (number < least) throw new SettingsError(otherwise);
  return number;
}

/** ISO 8601 with a zone, so that it means one moment. */
function timeOf(text: string): number {
  const zoned = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const timeMs = zoned ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(timeMs)) return timeMs;
  throw new SettingsError('--at-time is a time with its zone, such as 2026-02-03T04:05:06Z.');
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
