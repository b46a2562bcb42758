import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LocalStore, Scrubber } from '@holdfast/kv';
import { KvError } from '@holdfast/kv';
import type { FeedNodes, ObjectStore } from '@holdfast/objects';
import { createObjectStore } from '@holdfast/objects';
import type { Cluster } from '@holdfast/replica';
import type { S3Handler, S3RequestRecord } from '@holdfast/s3';
import { createS3Handler } from '@holdfast/s3';
import { DAY_MS, startBackgroundPasses } from './background-passes.ts';
import { BackupKeeper } from './backup-keeper.ts';
import type { ChangeServices } from './changes/change-services.ts';
import { openChangeServices } from './changes/change-services.ts';
import { sampleCluster } from './cluster/cluster-sample.ts';
import { LedWork } from './cluster/led-work.ts';
import { watchRemoval } from './cluster/removal-watch.ts';
import { collectNow } from './collect-now.ts';
import type { ControlSocket } from './control-socket.ts';
import type { HttpListener } from './http-listener.ts';
import { openHttpListener } from './http-listener.ts';
import { AgreedKeys } from './keys/agreed-keys.ts';
import { KeyKeeper } from './keys/key-keeper.ts';
import type { KeyUse, OpenKeys, OpenKeysOptions } from './keys/open-keys.ts';
import { compareKeys, openClusterKeys, openKeys } from './keys/open-keys.ts';
import { startRewrap } from './keys/rewrap-outdated.ts';
import type { Log } from './log.ts';
import { silentLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { openStore } from './open-store.ts';
import { answerOwnRoute, answerUnready, matchOwnRoute } from './own-routes.ts';
import type { Population } from './populate.ts';
import { populate, reloadUsers } from './populate.ts';
import type { ServerConfig } from './server-config.ts';
import { startupReport } from './startup-report.ts';
import { sampleStorage } from './storage-sample.ts';
import { startStorageScrubber } from './storage-scrubber.ts';
import { createTaskQueueFactory } from './task-queue.ts';
import { logHandshakeFailure } from './tls/handshakes.ts';
import { type KeyPair, readKeyPair } from './tls/key-pair.ts';
import { watchKeyPair } from './tls/key-pair-watch.ts';
import { CurrentUsers } from './users/current-users.ts';
import { UserWatch } from './users/user-watch.ts';

const SLOW_AFTER_MS = 1000;
/** After a node has written down its keys, the others know within this. */
const KEY_INTERVAL_MS = 5_000;
/** Of the ten seconds that a stop may take: for requests in flight. The rest is for the last sync. */
const STOP_GRACE_MS = 8_000;

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  readonly region: string;
  /** The server's own at its start; undefined where it speaks HTTP without TLS. */
  readonly certificate: X509Certificate | undefined;
  /** The store below the API, for what has no request: resetting a test, a pass of garbage collection. */
  readonly objects: ObjectStore;
  /**
   * Resolves when requests are served: at once, or in a cluster when it has a leader. Rejects with what keeps this node
   * from serving, which is `failed` too.
   */
  readonly ready: Promise<void>;
  /**
   * Resolves with the error after which nothing more can be acknowledged: the caller should stop. Never
   * rejects; stays pending on a healthy server.
   */
  readonly failed: Promise<Error>;
  /**
   * Takes no further request, finishes those in flight, makes everything durable, gives the folder back. What is
   * not answered after `graceMs` (default 8 s) is cut. Idempotent.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * Puts the layers together and listens. Knows no environment variable, no argument and no global: any number
 * of servers may run in a process. Rejects with the error of the layer that could not start (a
 * `WalError`, `KvError` or `FileError`, or the error of `listen`), with everything before it closed again.
 */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  await using cleanup = new AsyncDisposableStack();
  const { env } = config;
  const log = config.log ?? silentLog;
  const region = config.region ?? 'us-east-1';
  const keyPair = config.tls && (await readKeyPair(env, config.tls));

  const health: Health = { notReadyBecause: undefined };
  const failure = Promise.withResolvers<Error>();
  const { store: kv, cluster } = await openStore(config, log, (error) => {
    health.notReadyBecause = 'The log has failed.';
    failure.resolve(error);
  });
  cleanup.defer(() => kv.close());
  const settings = { ...config, log, region };
  const nodes = nodesOf(cluster);
  const changes = openChangeServices({ ...settings, kv, leads: () => leads({ cluster }), nodes });
  cleanup.defer(() => changes.stop());
  const keys = await openServerKeys(config, kv);
  const agreedKeys = keys.masterKeys instanceof AgreedKeys ? keys.masterKeys : undefined;
  const objects = openObjects(config, kv, keys, changes);
  cleanup.defer(() => objects.close());
  const users = new CurrentUsers();

  const startedMs = env.clock.monotonicMs();
  const backups = await BackupKeeper.start({ env, log, store: kv, schedule: config.backup });
  cleanup.defer(() => backups.stop());
  const parts = { kv, cluster, objects, users, health, backups, changes, keyPair };
  const state: ServerState = { config, log, region, startedMs, ...parts };
  const population = { config, kv, objects, region, users, agreedKeys };
  if (cluster === undefined) {
    await populate(population);
    await changes.begin();
  } else {
    const removal = watchRemoval(cluster, env.clock, log);
    cleanup.defer(() => removal.stop());
  }
  const metrics = config.metrics === false ? undefined : await openMetrics(state);
  cleanup.defer(() => metrics?.close());
  state.scrubber = startScrubber(state, metrics);
  cleanup.defer(() => state.scrubber?.stop());
  startBackgroundPasses({ ...state, metrics, leads: () => leads(state) }, cleanup);
  startKeyRewrap(state, keys, cleanup);
  const control = await openControl(state);
  cleanup.defer(() => control?.close());
  const listener = await openListener(state, metrics);
  state.listener = listener;
  startKeyPairWatch(state, listener, cleanup);
  log.info(startupReport(kv.recovery), 'store opened');
  const ready = cluster === undefined ? Promise.resolve() : join(state, keys, population, cleanup);
  ready.catch((error: Error) => failure.resolve(error));

  const open = cleanup.move();
  let stopped: Promise<void> | undefined;
  return {
    host: listener.host,
    port: listener.port,
    region,
    certificate: keyPair?.leaf,
    objects,
    ready,
    failed: failure.promise,
    stop: (options = {}) => {
      stopped ??= stop(state, listener, open, options.graceMs ?? STOP_GRACE_MS);
      return stopped;
    },
  };
}

/** What a node of a cluster finds in the store it compares with its keys later, when it has a leader. */
async function openServerKeys(config: ServerConfig, kv: LocalStore): Promise<OpenKeys> {
  const options = keyOptions(config, kv);
  if (config.cluster === undefined) return await openKeys(options);
  return { ...(await openClusterKeys(options)), outdated: [], missing: [] };
}

function keyOptions(config: ServerConfig, kv: LocalStore): OpenKeysOptions {
  const { env, directory, masterKeyPath, namedKeyPath } = config;
  return { env, directory, kv, masterKeyPath, namedKeyPath };
}

function openObjects(
  config: ServerConfig,
  kv: LocalStore,
  { masterKeys, namedKeys }: OpenKeys,
  changes: ChangeServices,
): ObjectStore {
  const { env, log = silentLog } = config;
  return createObjectStore({
    kv,
    env,
    tasks: createTaskQueueFactory({ clock: env.clock, log }),
    // Why: the folder is locked, so an upload that is not in this process died with an earlier one. Not so in a
    // cluster, where it may be another node's.
    ...(config.cluster === undefined && { intentGraceMs: 0 }),
    lifecycleDayMs: config.lifecycleDayMs ?? DAY_MS,
    masterKeys,
    ...(namedKeys && { namedKeys }),
    ...(changes.journal && { journal: changes.journal }),
  });
}

/** Goes on with what a rotation of keys began, and names the keys that are missing. */
function startKeyRewrap(
  { kv, objects, log }: ServerState,
  { outdated, missing }: OpenKeys,
  cleanup: AsyncDisposableStack,
): void {
  warnOfMissingKeys(log, missing);
  if (outdated.length === 0) return;
  const rewrap = startRewrap({ objects, kv, log, outdated });
  cleanup.defer(() => rewrap.stop());
}

function warnOfMissingKeys(log: Log, missing: KeyUse['missing']): void {
  for (const { keyId, fingerprint } of missing) {
    log.warn(
      { keyId, fingerprint },
      'objects are encrypted with a key that is not in --kms-key-file: they cannot be read',
    );
  }
}

interface ServerState {
  readonly config: ServerConfig;
  readonly log: Log;
  readonly region: string;
  readonly kv: LocalStore;
  readonly cluster: Cluster | undefined;
  readonly objects: ObjectStore;
  readonly users: CurrentUsers;
  readonly backups: BackupKeeper;
  readonly changes: ChangeServices;
  /** In use; undefined for HTTP without TLS. */
  keyPair: KeyPair | undefined;
  listener?: HttpListener;
  scrubber?: Scrubber | undefined;
  readonly startedMs: number;
  readonly health: Health;
}

/** Why requests cannot be served, for `/_/health/ready`. */
interface Health {
  notReadyBecause: string | undefined;
}

/** Waits for a leader, and fills what must be there. From then on this node serves. */
async function join(
  state: ServerState,
  keys: OpenKeys,
  population: Population,
  cleanup: AsyncDisposableStack,
): Promise<void> {
  const { config, kv, log, changes } = state;
  const { clock } = config.env;
  const work = new LedWork(clock);
  cleanup.defer(() => work.stop());
  const watch = new UserWatch({ kv, clock, log, reload: () => reloadUsers(population) });
  cleanup.defer(() => watch.stop());
  const keeper = keeperOf(state, population);
  cleanup.defer(() => keeper?.stop());
  const fill = async (): Promise<void> => {
    const { missing } = await compareKeys(keyOptions(config, kv), keys);
    warnOfMissingKeys(log, missing);
    await keeper?.follow();
    // Before requests are served, which `populate` allows: the feed must know whether this node writes changes down.
    await changes.begin();
    await populate(population);
  };
  if (!(await work.run(fill))) {
    throw new KvError('KV_CLOSED', 'the server was stopped before there was a leader');
  }
  watch.start();
  keeper?.start(config.cluster?.keyIntervalMs ?? KEY_INTERVAL_MS);
}

function keeperOf(
  { config: { env }, kv, log, objects, cluster }: ServerState,
  { agreedKeys: keys }: Population,
): KeyKeeper | undefined {
  if (cluster === undefined || keys === undefined) return undefined;
  return new KeyKeeper({
    kv,
    env,
    log,
    objects,
    keys,
    ...nodesOf(cluster),
    leads: () => leads({ cluster }),
  });
}

/** This node, and all members. */
function nodesOf(cluster: Cluster): FeedNodes;
function nodesOf(cluster: Cluster | undefined): FeedNodes | undefined;
function nodesOf(cluster: Cluster | undefined): FeedNodes | undefined {
  if (cluster === undefined) return undefined;
  return {
    nodeId: cluster.status().nodeId,
    members: () => cluster.status().members.map(({ nodeId }) => nodeId),
  };
}

async function stop(
  state: ServerState,
  listener: HttpListener,
  parts: AsyncDisposableStack,
  graceMs: number,
): Promise<void> {
  state.health.notReadyBecause = 'The server is stopping.';
  state.changes.endWaits();
  try {
    await listener.stop(graceMs);
    await handOver(state);
  } finally {
    await parts.disposeAsync();
  }
}

/** A leader that goes hands over first, so that nobody has to find out that it is gone. */
async function handOver({ cluster, log }: ServerState): Promise<void> {
  if (cluster?.status().role !== 'leader') return;
  await cluster.transferLeader().catch((error: unknown) => {
    log.info({ error }, 'leadership could not be handed over; the others will elect a leader');
  });
}

/** Undefined where none is wanted, or none can be had: the server is of use without it. */
async function openControl(state: ServerState): Promise<ControlSocket | undefined> {
  const { config, backups, cluster, kv, objects, log } = state;
  const { controlPath: path } = config;
  if (path === undefined) return undefined;
  const { openControlSocket } = await import('./control-socket.ts');
  let isCollecting = false;
  const opening = openControlSocket(path, {
    ...(cluster !== undefined && { cluster }),
    backUp: (request) => backups.backUp(request),
    collect: async (onStep) => {
      if (isCollecting) throw new KvError('KV_BUSY', 'a collection is running already');
      isCollecting = true;
      try {
        return await collectNow(kv, () => objects.collectGarbage(), onStep);
      } finally {
        isCollecting = false;
      }
    },
  });
  return await opening.catch((error: unknown) => {
    // Why: FAT, exFAT and other file systems have no sockets.
    log.warn({ path, error }, 'no socket for commands: it cannot be made there');
    return undefined;
  });
}

async function openMetrics(state: ServerState): Promise<Metrics> {
  // Why not at the top: a test's server has no metrics, and should not wait for what makes them.
  const { Metrics } = await import('./metrics.ts');
  const { config, kv, cluster, startedMs } = state;
  const { clock } = config.env;
  return new Metrics({
    sampleStorage: () => {
      const { metrics, histograms } = sampleStorage(kv, clock.nowMs());
      const more = cluster === undefined ? [] : sampleCluster(cluster.status());
      return { metrics: [...metrics, ...more], histograms };
    },
    service: {
      requestsInFlight: () => state.listener?.requestsInFlight() ?? 0,
      slowAfterMs: config.slowAfterMs ?? SLOW_AFTER_MS,
      uptimeMs: () => clock.monotonicMs() - startedMs,
      scrubbed: () => state.scrubber?.counters ?? { passes: 0, bytes: 0 },
      certificateEndsMs: () => state.keyPair?.leaf.validToDate.getTime(),
      backupAgeMs: () => state.backups.ageMs,
      eventQueues: () => state.changes.targets(),
    },
  });
}

function startScrubber(state: ServerState, metrics: Metrics | undefined): Scrubber | undefined {
  const { config, kv, log } = state;
  const bytesPerSecond = config.scrubBytesPerSecond ?? 0;
  if (bytesPerSecond === 0) return undefined;
  return startStorageScrubber({
    env: config.env,
    directory: config.directory,
    kv,
    log,
    bytesPerSecond,
    onDamage: ({ area }) => metrics?.recordDamage(area),
    heals: config.cluster?.repairsFromPeers === true,
  });
}

/** Whether work that writes for the whole cluster is this node's. */
function leads({ cluster }: Pick<ServerState, 'cluster'>): boolean {
  return cluster === undefined || cluster.status().role === 'leader';
}

/** undefined where requests can be served. */
function notReadyBecause({ health, users, cluster }: ServerState): string | undefined {
  if (health.notReadyBecause !== undefined) return health.notReadyBecause;
  const status = cluster?.status();
  if (status !== undefined && status.leaderId === undefined) {
    return removedBecause({ cluster }) ?? 'No leader is known.';
  }
  return users.isLoaded ? undefined : 'The node is starting.';
}

/** undefined where it was not, as far as it knows. */
function removedBecause({ cluster }: Pick<ServerState, 'cluster'>): string | undefined {
  const isRemoved = cluster?.status().isRemoved === true;
  return isRemoved ? 'This node was removed from its cluster.' : undefined;
}

function startKeyPairWatch(
  state: ServerState,
  listener: HttpListener,
  cleanup: AsyncDisposableStack,
): void {
  const { config, log, keyPair: pair } = state;
  const { env, tls: files } = config;
  if (files === undefined || pair === undefined) return;
  const onRenewal = (renewed: KeyPair): void => {
    listener.setKeyPair(renewed);
    state.keyPair = renewed;
  };
  const watch = watchKeyPair({ env, log, files, pair, onRenewal });
  cleanup.defer(() => watch.stop());
}

function openListener(state: ServerState, metrics: Metrics | undefined): Promise<HttpListener> {
  const { config, region } = state;
  const { domains = [], websiteDomains = [] } = config;
  const s3 = createS3Handler({
    store: state.objects,
    env: config.env,
    identities: state.users,
    bucketAcls: config.bucketAcls ?? false,
    recreateBuckets: config.recreateBuckets ?? false,
    answersAsCeph: config.answersAsCeph ?? false,
    customerKeysOverHttp: config.customerKeysOverHttp ?? false,
    region,
    domains,
    websiteDomains,
    allowSignatureV2: config.allowSignatureV2 ?? true,
    isNotificationTarget: state.changes.isTarget,
    unavailableBecause: () => removedBecause(state),
    logger: state.log,
    onRequest: (record) => recordRequest(state, metrics, record),
  });
  const own = {
    notReadyBecause: () => notReadyBecause(state),
    renderMetrics: metrics && (() => metrics.render()),
    metricsContentType: metrics?.contentType ?? 'text/plain',
    answerChanges: state.changes.answer,
  };
  const allDomains = [...domains, ...websiteDomains];
  const route =
    (handle: S3Handler['handleRequest']) =>
    (request: IncomingMessage, response: ServerResponse): void => {
      const ownRoute = matchOwnRoute(request, allDomains);
      if (ownRoute) void answerOwnRoute(ownRoute, request, response, own);
      else if (state.users.isLoaded) handle(request, response);
      else answerUnready(request, response, removedBecause(state));
    };
  return openHttpListener({
    clock: config.env.clock,
    host: config.host ?? '127.0.0.1',
    port: config.port,
    openFileLimit: config.openFileLimit,
    keyPair: state.keyPair,
    onHandshakeFailure: (failure) => logHandshakeFailure(state.log, failure),
    handleRequest: route(s3.handleRequest),
    handleContinue: route(s3.handleContinue),
    handleClientError: s3.handleClientError,
  });
}

function recordRequest(
  { log, config }: ServerState,
  metrics: Metrics | undefined,
  record: S3RequestRecord,
): void {
  metrics?.recordRequest(record);
  if (record.durationMs > (config.slowAfterMs ?? SLOW_AFTER_MS)) {
    log.warn(record, 'slow request');
    return;
  }
  log[requestLevel(record.status)](record, 'request');
}

/** What was refused is in the log with its request id by default; a client that left was told none. */
function requestLevel(status: number): 'warn' | 'info' | 'debug' {
  if (status >= 500) return 'warn';
  return status >= 400 && status !== 499 ? 'info' : 'debug';
}
