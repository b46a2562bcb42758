import { resolve } from 'node:path';
import type { Env } from '@holdfast/env';
import { createNodeEnv, NodeNetwork, SharedSecret, secretSecurity } from '@holdfast/env/node';
import { refuseOwnFolder } from '@holdfast/kv';
import { readClusterId, refuseMember } from '@holdfast/replica';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import { canHaveControlSocket, controlPath } from '../control-socket.ts';
import type { ResolvedCredentials } from '../credentials.ts';
import { refuseWeakCredentials, resolveCredentials } from '../credentials.ts';
import type { FailureContext } from '../failure.ts';
import { reportFailure } from '../failure.ts';
import { refuseVainFirstStart } from '../first-start.ts';
import { collectLessOften } from '../heap-growth.ts';
import type { Log } from '../log.ts';
import { createLogger } from '../logger.ts';
import type { ServerConfig } from '../server-config.ts';
import type { ServeSettings } from '../settings.ts';
import { parseServeSettings } from '../settings.ts';
import type { RunningServer } from '../start-server.ts';
import { startServer } from '../start-server.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import type { KeyPairFiles } from '../tls/key-pair.ts';
import { readInitFile } from '../users/init-file.ts';
import { keysOf } from '../users/user-record.ts';
import { welcomeText } from '../welcome.ts';

/** One press of Ctrl-C may arrive twice: from the terminal, and handed down by npm. */
const SAME_SIGNAL_MS = 500;
/** After this the process ends, whatever still runs. */
const STOP_LIMIT_MS = 9_500;
const REFUSAL_MS = 1_000;

/** Runs the server until a signal stops it or its log fails. */
export async function serve(terminal: Terminal, options: unknown): Promise<ExitCode> {
  const settings = parseServeSettings(options, terminal.environment);
  const directory = resolve(terminal.workingDirectory, settings.data);
  const { cluster: ofCluster, host, port } = settings;
  const member = ofCluster && { node: ofCluster.nodeId, listen: ofCluster.listen };
  const context = { directory, host, port, ...member };
  const log = createLogger({
    level: settings.logLevel,
    pretty: terminal.errorsAreScreen,
    write: terminal.printError,
  });
  terminal.onUncaught((error) => {
    log.error({ error }, 'unexpected error, the process ends');
    terminal.exit(1);
  });
  terminal.outliveOutput();
  const env = await createNodeEnv();
  const ending = Promise.race([
    watchSignals(terminal, env, log),
    ...(settings.untilInputEnds ? [inputEnd(terminal)] : []),
  ]);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => env.digests.close());
  try {
    const cluster = await clusterConfig(terminal, env, settings, directory, log);
    cleanup.defer(() => cluster?.network.close());
    const starting = start(terminal, env, settings, directory, log, cluster);
    const started = await Promise.race([starting, ending.then(() => undefined)]);
    if (started === undefined) {
      // Nothing was promised yet, and a folder is whole wherever its start is cut off.
      starting.catch(() => undefined);
      log.info({}, 'stopped while it was starting');
      return 0;
    }
    const { server, credentials, tls } = started;
    const isReady = server.ready.then(async () => {
      terminal.print(await welcomeText(server, settings, directory, credentials, tls));
    });
    // What keeps it from being ready is its failure, or its end.
    isReady.catch(() => undefined);
    return await runUntilEnd({ server, terminal, env, log, context, ending });
  } catch (error) {
    return reportFailure(terminal, error, context);
  }
}

interface Started {
  readonly server: RunningServer;
  readonly credentials: ResolvedCredentials;
  readonly tls: KeyPairFiles | undefined;
}

async function start(
  terminal: Terminal,
  env: Env,
  settings: ServeSettings,
  directory: string,
  log: Log,
  cluster: ClusterConfig | undefined,
): Promise<Started> {
  collectLessOften();
  const backupFolder = backupFolderOf(terminal, settings, directory);
  // Why not only where the folder is opened: no key pair is made in a folder that is refused.
  if (cluster === undefined) await refuseMember(env, directory);
  const { credentialsFile, host, port, buckets } = settings;
  const users = await userOptions(terminal, env, settings);
  const tls = keyPairFiles(terminal, settings);
  await refuseVainFirstStart({
    env,
    directory,
    host,
    port,
    tls,
    ...(cluster !== undefined && { cluster }),
    buckets,
    ...users,
  });
  const credentials = await resolveCredentials(env, directory, terminal.environment, {
    file: credentialsFile && resolve(terminal.workingDirectory, credentialsFile),
    mayGenerate: cluster === undefined,
  });
  refuseWeakCredentials(credentials, host);
  const server = await startServer({
    env,
    directory,
    credentials,
    ...(cluster !== undefined && { cluster }),
    host,
    port,
    tls,
    region: settings.region,
    openFileLimit: terminal.openFileLimit(),
    buckets,
    domains: settings.domains,
    websiteDomains: settings.websiteDomains,
    allowSignatureV2: settings.signatureV2,
    bucketAcls: settings.bucketAcls,
    recreateBuckets: settings.recreateBuckets,
    answersAsCeph: settings.answersAsCeph,
    customerKeysOverHttp: settings.sseCOverHttp,
    ...users,
    collectIntervalMs: settings.collectEvery * 1000,
    lifecycleDayMs: settings.lifecycleDayMs,
    webhooks: settings.webhooks,
    keepChangesMs: settings.keepChanges,
    slowAfterMs: settings.slowAfter,
    scrubBytesPerSecond: settings.scrubRate,
    ...controlOptions(directory, log),
    ...backupOptions(backupFolder, settings),
    log,
  });
  return { server, credentials, tls };
}

/** The network of a node and what else makes it one; undefined where the server is alone. */
async function clusterConfig(
  terminal: Terminal,
  env: Env,
  { cluster, replaceRootKeys, recovery }: ServeSettings,
  directory: string,
  log: Log,
): Promise<ClusterConfig | undefined> {
  if (cluster === undefined) return undefined;
  const path = resolve(terminal.workingDirectory, cluster.secretFile);
  const secret = await SharedSecret.fromFile(path);
  // Why the folder first: after a recovery from the loss of a quorum the cluster has another id.
  const found = await readClusterId(env, directory);
  // Safety: what both say must be the same; `openReplica` refuses a folder of another cluster.
  const clusterId = cluster.clusterId ?? found ?? secret.clusterId();
  const { nodeId } = cluster;
  const network = new NodeNetwork({
    clusterId,
    nodeId,
    security: secretSecurity(secret),
    onRefusal: (refusal) => log.warn({ ...refusal }, 'a connection of a peer was refused'),
  });
  const repairsFromPeers = recovery === 'repair-from-peers';
  return { ...cluster, clusterId, network, replaceRootKeys, repairsFromPeers };
}

/** Resolves when the process that started this one, and writes to its input, is gone. */
function inputEnd({ input }: Terminal): Promise<NodeJS.Signals> {
  return new Promise((settle) => {
    input.on('error', () => settle('SIGTERM'));
    input.on('end', () => settle('SIGTERM'));
    input.resume();
  });
}

async function userOptions(
  terminal: Terminal,
  env: Env,
  { init: initFile, masterKeyFile, kmsKeyFile, host }: ServeSettings,
): Promise<Pick<ServerConfig, 'init' | 'masterKeyPath' | 'namedKeyPath'>> {
  const path = (name: string): string => resolve(terminal.workingDirectory, name);
  const init = initFile === undefined ? undefined : await readInitFile(env, path(initFile));
  for (const user of init?.users ?? []) {
    for (const { accessKey, secretKey } of keysOf(user)) {
      refuseWeakCredentials({ accessKeyId: accessKey, secretAccessKey: secretKey }, host);
    }
  }
  return {
    ...(init !== undefined && { init }),
    ...(masterKeyFile !== undefined && { masterKeyPath: path(masterKeyFile) }),
    ...(kmsKeyFile !== undefined && { namedKeyPath: path(kmsKeyFile) }),
  };
}

function keyPairFiles(
  { workingDirectory }: Terminal,
  { tlsCert, tlsKey }: ServeSettings,
): KeyPairFiles | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  return {
    certificatePath: resolve(workingDirectory, tlsCert),
    keyPath: resolve(workingDirectory, tlsKey),
  };
}

function controlOptions(directory: string, log: Log): Pick<ServerConfig, 'controlPath'> {
  const path = controlPath(directory);
  if (canHaveControlSocket(path)) return { controlPath: path };
  log.warn({ path }, 'no socket for commands: not on this system, or the path is too long');
  return {};
}

/** Why refused at the start: each backup of the schedule would be, and only the log would say so. KV_INVALID_ARGUMENT. */
function backupFolderOf(
  terminal: Terminal,
  { backupTo }: ServeSettings,
  directory: string,
): string | undefined {
  if (backupTo === undefined) return undefined;
  const to = resolve(terminal.workingDirectory, backupTo);
  refuseOwnFolder(directory, to);
  return to;
}

function backupOptions(
  to: string | undefined,
  { backupEvery, backupKeep }: ServeSettings,
): Pick<ServerConfig, 'backup'> {
  if (to === undefined) return {};
  return { backup: { to, intervalMs: backupEvery, keep: backupKeep } };
}

/** Resolves at the first signal; a later one, unless it is the same key press, ends the process at once. */
function watchSignals(terminal: Terminal, env: Env, log: Log): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    terminal.onSignal((signal) => {
      const nowMs = env.clock.monotonicMs();
      if (firstMs === undefined) {
        firstMs = nowMs;
        resolve(signal);
      } else if (nowMs - firstMs > SAME_SIGNAL_MS) {
        log.warn({ signal }, 'second signal, the process ends at once');
        terminal.exit(1);
      }
    });
  });
}

interface Run {
  readonly server: RunningServer;
  readonly terminal: Terminal;
  readonly env: Env;
  readonly log: Log;
  readonly context: FailureContext;
  readonly ending: Promise<NodeJS.Signals>;
}

async function runUntilEnd(run: Run): Promise<ExitCode> {
  const { server, terminal, env, log } = run;
  const end = await Promise.race([run.ending, server.failed]);
  const failed = end instanceof Error;
  if (!failed) log.info({ signal: end }, 'stopping: requests in flight are finished first');
  const limit = env.clock.setTimer(STOP_LIMIT_MS, () => {
    log.error({}, 'the stop takes too long, the process ends');
    terminal.exit(1);
  });
  // After a failed log nothing can be finished: there is only time to say so to those who wait.
  await server.stop(failed ? { graceMs: REFUSAL_MS } : {}).catch((error: unknown) => {
    if (!failed) throw error;
  });
  limit.cancel();
  if (failed) return reportFailure(terminal, end, run.context);
  log.info({}, 'stopped');
  return 0;
}
