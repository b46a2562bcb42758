import { resolve } from 'node:path';
import type { Env } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import type { LocalStore } from '@holdfast/kv';
import { openLocalStore } from '@holdfast/kv';
import { createObjectStore } from '@holdfast/objects';
import { describeFailure } from '../failure.ts';
import { silentLog } from '../log.ts';
import { createTaskQueueFactory } from '../task-queue.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

export interface GcOptions {
  readonly data: string;
  readonly now: boolean;
}

const MIB: number = 1024 * 1024;

/**
 * Gives back all space of a stopped store that nothing refers to: chunks of deleted objects and crashed uploads,
 * then segments that are mostly dead. Exits with 1 where something is damaged or there was no room to do it.
 */
export async function gc(terminal: Terminal, options: GcOptions): Promise<ExitCode> {
  if (!options.now) {
    terminal.printError(
      'holdfast: A running server collects garbage by itself (serve --collect-every). ' +
        'To do it here and now, stop the server and give --now.\n',
    );
    return 2;
  }
  const directory = resolve(terminal.workingDirectory, options.data);
  const env = await createNodeEnv();
  try {
    if ((await env.files.stat(`${directory}/wal`)) === undefined) {
      terminal.printError(`holdfast: There is no store in ${directory}.\n`);
      return 1;
    }
    return await collect(terminal, env, directory);
  } catch (error) {
    terminal.printError(`holdfast: ${messageFor(error, directory)}\n`);
    return 1;
  } finally {
    await env.digests.close();
  }
}

async function collect(terminal: Terminal, env: Env, directory: string): Promise<ExitCode> {
  const kv = await openLocalStore({ env, directory });
  try {
    const before = kv.status();
    const beforeBytes = fileBytes(kv);
    terminal.print(`${directory}: ${mib(beforeBytes)} in files, ${mib(before.liveBytes)} live\n`);
    await sweep(terminal, env, kv);
    const report = await kv.compact(({ rewrittenSegments, movedBytes }) => {
      terminal.print(`  rewrote ${rewrittenSegments} segments, moved ${mib(movedBytes)}\n`);
    });
    for (const { message } of report.damaged) terminal.printError(`holdfast: ${message}\n`);
    const afterBytes = fileBytes(kv);
    terminal.print(
      `Gave back ${mib(Math.max(0, beforeBytes - afterBytes))}: ${mib(afterBytes)} in files, ` +
        `${mib(kv.status().liveBytes)} live.\n`,
    );
    if (report.paused) {
      terminal.printError(
        'holdfast: There is not enough room on the volume to rewrite more. Give it some, then run this again.\n',
      );
    }
    return report.paused || report.damaged.length > 0 ? 1 : 0;
  } finally {
    await kv.close();
  }
}

/** Deletes the chunks that no object refers to. */
async function sweep(terminal: Terminal, env: Env, kv: LocalStore): Promise<void> {
  const tasks = createTaskQueueFactory({ clock: env.clock, log: silentLog });
  // Why 1 ms: the folder is locked, so an upload that is not finished died with its process.
  const objects = createObjectStore({ kv, env, tasks, intentGraceMs: 1 });
  try {
    const { deletedChunks, deletedBytes } = await objects.collectGarbage();
    terminal.print(`  deleted ${deletedChunks} unused chunks, ${mib(deletedBytes)}\n`);
  } finally {
    await objects.close();
  }
}

function fileBytes(kv: LocalStore): number {
  const { segments, extentFiles, tableBytes } = kv.status();
  return [...segments, ...extentFiles].reduce((sum, each) => sum + each.sizeBytes, tableBytes);
}

function mib(sizeBytes: number): string {
  return `${(sizeBytes / MIB).toFixed(1)} MiB`;
}

function messageFor(error: unknown, directory: string): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'FILE_LOCKED') {
      return `A server has ${directory} open. It collects garbage by itself (serve --collect-every); to do it here and now, stop it first.`;
    }
  }
  return describeFailure(error, { directory }).message;
}
