import { resolve } from 'node:path';
import type { Clock, Timer } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { z } from 'zod';
import type { ClusterFolder } from '../cluster/cluster-folder.ts';
import { openClusterFolder } from '../cluster/cluster-folder.ts';
import { endpointOf, NodeGroup } from '../cluster/node-group.ts';
import type { NodeProcess, ProcessEnd } from '../cluster/node-process.ts';
import { SettingsError } from '../settings-error.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { readVersion } from '../version.ts';
import { shellWord, tellSecret } from '../welcome.ts';

/** Time to see what is gone, and for its port to be free. */
const RESTART_AFTER_MS = 1000;

const port = (name: string): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,5}$/, `${name} is a number from 0 to 65526.`)
    .transform(Number)
    // Why: the ports of the other nodes follow it.
    .refine((number) => number <= 65_526, `${name} is a number from 0 to 65526.`);

const upSchema = z.object({
  nodes: z
    .string()
    .regex(/^[1-9]$/, '--nodes is a number from 1 to 9.')
    .transform(Number),
  data: z.string().min(1, '--data needs the path of a folder.'),
  port: port('--port'),
  peerPort: port('--peer-port'),
  bucket: z.array(z.string()),
  logLevel: z.string(),
});

/** Runs a cluster on this machine until a signal stops it, or until none of its nodes is left. */
export async function up(terminal: Terminal, options: unknown): Promise<ExitCode> {
  const parsed = upSchema.safeParse(options);
  if (!parsed.success) {
    throw new SettingsError(parsed.error.issues.map(({ message }) => message).join('\n'));
  }
  const { nodes, data, port: firstPort, peerPort, bucket, logLevel } = parsed.data;
  const env = await createNodeEnv();
  const asked = firstSignal(terminal);
  const folder = await openClusterFolder(env, {
    directory: resolve(terminal.workingDirectory, data),
    environment: terminal.environment,
    nodeCount: nodes,
    port: firstPort,
    peerPort,
  });
  const watch = new Watch(terminal, env.clock);
  const group = new NodeGroup({
    clock: env.clock,
    folder,
    arguments: ['--log-level', logLevel, ...bucket.flatMap((names) => ['--bucket', names])],
    environment: terminal.environment,
    onLine: (nodeId, line) => terminal.printError(`${nodeId} | ${line}\n`),
  });
  try {
    const started = group.startAll().then(() => 'up' as const);
    const first = await Promise.race([started, asked]).catch(() => undefined);
    if (first === undefined) {
      // What went wrong was printed by the node itself.
      terminal.printError('holdfast: a node did not start, so all of them are stopped.\n');
      return 1;
    }
    if (first !== 'up') return 0;
    terminal.print(await upText(folder, group.processes));
    const last = await Promise.race([asked, watch.untilAllAreGone(group)]);
    return last === undefined ? 1 : 0;
  } finally {
    watch.stop();
    await group.stop();
    await env.digests.close();
  }
}

/** Starts nodes again that were killed. One that ended by itself has said why, and would only say it again. */
class Watch {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  #isStopped = false;
  #left = 0;

  constructor(terminal: Terminal, clock: Clock) {
    this.#terminal = terminal;
    this.#clock = clock;
  }

  untilAllAreGone(group: NodeGroup): Promise<undefined> {
    return new Promise((resolve) => {
      const follow = (one: NodeProcess): void => {
        void one.ended.then((end) => {
          if (this.#isStopped) return;
          this.#announce(one, end);
          if ('signal' in end) {
            this.#later(() => {
              const again = group.start(one.node);
              this.#say(one, `is started again as process ${again.processId}`);
              follow(again);
            });
          } else if (--this.#left === 0) resolve(undefined);
        });
      };
      this.#left = group.processes.length;
      for (const one of group.processes) follow(one);
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  #later(run: () => void): void {
    const timer = this.#clock.setTimer(RESTART_AFTER_MS, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }

  #announce(one: NodeProcess, end: ProcessEnd): void {
    this.#say(one, 'signal' in end ? `was ended by ${end.signal}` : `has ended with ${end.code}`);
  }

  #say({ node, processId }: NodeProcess, what: string): void {
    this.#terminal.printError(`${node.nodeId} | process ${processId} ${what}\n`);
  }
}

function firstSignal(terminal: Terminal): Promise<NodeJS.Signals> {
  return new Promise((settle) => {
    terminal.onSignal(settle);
  });
}

async function upText(folder: ClusterFolder, processes: readonly NodeProcess[]): Promise<string> {
  const { accessKeyId } = folder.credentials;
  const secret = tellSecret(folder.credentials, true);
  const sorted = processes.toSorted((one, other) => (one.node.nodeId < other.node.nodeId ? -1 : 1));
  const first = sorted[0] as NodeProcess;
  return [
    `Holdfast ${await readVersion()}: ${sorted.length} nodes are one store.`,
    '',
    ...sorted.map(
      ({ node, processId }) => `  ${node.nodeId}  ${endpointOf(node)}  process ${processId}`,
    ),
    '',
    `  access key  ${accessKeyId}`,
    `  secret key  ${secret.text}`,
    `  data        ${folder.directory}`,
    '',
    'Paste this to try it, at any of them:',
    '',
    `  AWS_ACCESS_KEY_ID=${shellWord(accessKeyId)} AWS_SECRET_ACCESS_KEY=${secret.word} ` +
      `AWS_DEFAULT_REGION=us-east-1 aws --endpoint-url ${endpointOf(first.node)} s3 mb s3://my-bucket`,
    '',
    '',
  ].join('\n');
}
