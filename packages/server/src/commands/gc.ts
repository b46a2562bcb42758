import { resolve } from 'node:path';
import { type Env, findFileError } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { createObjectStore } from '@holdfast/objects';
import type { CollectionReport, CollectionStep } from '../collect-now.ts';
import { collectNow } from '../collect-now.ts';
import { canHaveControlSocket, controlPath, requestCollection } from '../control-socket.ts';
import { describeFailure } from '../failure.ts';
import { silentLog } from '../log.ts';
import { openLoneStore } from '../lone-store.ts';
import { createTaskQueueFactory } from '../task-queue.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

export interface GcOptions {
  readonly data: string;
  readonly now: boolean;
}

const MIB: number = 1024 * 1024;

/**
 * Gives back all space of a store that nothing refers to, whether a server runs on it or not: chunks of deleted objects and crashed uploads,
 * then segments that are mostly dead. Exits with 1 where something is damaged or there was no room to do it.
 */
export async function gc(terminal: Terminal, options: GcOptions): Promise<ExitCode> {
  if (!options.now) {
    terminal.printError(
      'holdfast: A running server collects garbage by itself (serve --collect-every). ' +
        'To do it now, in that server or here where none runs, give --now.\n',
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

/** By the server that runs on the folder; where none does, by this process. */
async function collect(terminal: Terminal, env: Env, directory: string): Promise<ExitCode> {
  const show = (step: CollectionStep): void => terminal.print(describeStep(step, directory));
  const path = controlPath(directory);
  const asked = canHaveControlSocket(path) ? await requestCollection(path, show) : undefined;
  const report = asked ?? (await collectHere(env, directory, show));
  for (const message of report.damaged) terminal.printError(`holdfast: ${message}\n`);
  const { beforeBytes, afterBytes, liveBytes } = report;
  const given = mib(Math.max(0, beforeBytes - afterBytes));
  terminal.print(`Gave back ${given}: ${mib(afterBytes)} in files, ${mib(liveBytes)} live.\n`);
  if (report.paused) {
    terminal.printError(
      'holdfast: There is not enough room on the volume to rewrite more. Give it some, then run this again.\n',
    );
  }
  return report.paused || report.damaged.length > 0 ? 1 : 0;
}

async function collectHere(
  env: Env,
  directory: string,
  onStep: (step: CollectionStep) => void,
): Promise<CollectionReport> {
  const kv = await openLoneStore({ env, directory });
  try {
    const tasks = createTaskQueueFactory({ clock: env.clock, log: silentLog });
    // Why no grace: the folder is locked, so an upload that is not finished died with its process.
    const objects = createObjectStore({ kv, env, tasks, intentGraceMs: 0 });
    try {
      return await collectNow(kv, () => objects.collectGarbage(), onStep);
    } finally {
      await objects.close();
    }
  } finally {
    await kv.close();
  }
}

function describeStep(step: CollectionStep, directory: string): string {
  switch (step.step) {
    case 'begun':
      return `${directory}: ${mib(step.fileBytes)} in files, ${mib(step.liveBytes)} live\n`;
    case 'swept':
      return `  deleted ${step.deletedChunks} unused chunks, ${mib(step.deletedBytes)}\n`;
    case 'rewritten':
      return `  rewrote ${step.rewrittenSegments} segments, moved ${mib(step.movedBytes)}\n`;
  }
}

function mib(sizeBytes: number): string {
  return `${(sizeBytes / MIB).toFixed(1)} MiB`;
}

function messageFor(error: unknown, directory: string): string {
  if (findFileError(error, 'FILE_LOCKED') !== undefined) {
    return `A process that cannot be asked has ${directory} open. A server collects garbage by itself (serve --collect-every); to do it here and now, stop it first.`;
  }
  return describeFailure(error, { directory }).message;
}
