/**
 * The entry of a thread that runs one task: makes an environment of its own, loads the task's module, and
 * posts the answer. It ends when nothing is left to do; an error ends it too.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadTask } from '../threads.ts';
import { createNodeEnv } from './node-env.ts';
import type { NodeFilesOptions } from './node-files.ts';

export interface ThreadWorkerData {
  readonly moduleUrl: string;
  readonly exportName: string;
  readonly request: unknown;
  readonly files: NodeFilesOptions;
}

if (parentPort !== null) {
  const { moduleUrl, exportName, request, files } = workerData as ThreadWorkerData;
  const loaded = (await import(moduleUrl)) as Record<string, ThreadTask<unknown, unknown>>;
  const task = loaded[exportName];
  if (task === undefined) throw new TypeError(`${moduleUrl} does not export ${exportName}`);
  const env = await createNodeEnv({ files });
  parentPort.postMessage(await task.run(env, request));
}
