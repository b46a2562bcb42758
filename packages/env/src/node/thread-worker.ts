/**
 * The entry of a thread that runs tasks, one at a time: makes an environment of its own, loads each task's module, and
 * posts the answer. It ends where a task leaves nothing to do and has given no answer; an error ends it too.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadTask } from '../threads.ts';
import { createNodeEnv } from './node-env.ts';
import type { NodeFilesOptions } from './node-files.ts';

export interface ThreadWorkerData {
  readonly files: NodeFilesOptions;
}

/** One task; its answer is the next message the other way. */
export interface ThreadRequest {
  readonly moduleUrl: string;
  readonly exportName: string;
  readonly request: unknown;
}

if (parentPort !== null) {
  const port = parentPort;
  const { files } = workerData as ThreadWorkerData;
  const env = await createNodeEnv({ files });
  const run = async ({ moduleUrl, exportName, request }: ThreadRequest): Promise<void> => {
    // While a task runs only the task keeps the thread alive.
    port.unref();
    const loaded = (await import(moduleUrl)) as Record<string, ThreadTask<unknown, unknown>>;
    const task = loaded[exportName];
    if (task === undefined) throw new TypeError(`${moduleUrl} does not export ${exportName}`);
    const answer = await task.run(env, request);
    port.ref();
    port.postMessage(answer);
  };
  port.on('message', (request: ThreadRequest) => void run(request));
}
