import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Env } from '@holdfast/env';
import type { LocalStore, Scrubber } from '@holdfast/kv';
import { KvError, openLocalStore } from '@holdfast/kv';
import type { ObjectStore } from '@holdfast/objects';
import { createObjectStore, ObjectStoreError } from '@holdfast/objects';
import type { S3Handler, S3RequestRecord } from '@holdfast/s3';
import { createS3Handler, defaultBucketSettings } from '@holdfast/s3';
import type { BackupSchedule } from './backup-keeper.ts';
import { BackupKeeper } from './backup-keeper.ts';
import { collectNow } from './collect-now.ts';
import type { ControlSocket } from './control-socket.ts';
import type { Credentials } from './credentials.ts';
import type { HttpListener } from './http-listener.ts';
import { openHttpListener } from './http-listener.ts';
import { type OpenKeys, openKeys } from './keys/open-keys.ts';
import { startRewrap } from './keys/rewrap-outdated.ts';
import type { Log } from './log.ts';
import { silentLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { answerOwnRoute, matchOwnRoute } from './own-routes.ts';
import type { PeriodicPass } from './periodic-pass.ts';
import { startPeriodicPass } from './periodic-pass.ts';
import { reclaimSpace } from './space-reclaim.ts';
import { startupReport } from './startup-report.ts';
import { sampleStorage } from './storage-sample.ts';
import { startStorageScrubber } from './storage-scrubber.ts';
import { createTaskQueueFactory } from './task-queue.ts';
import type { BucketInput, InitContent } from './users/init-file.ts';
import { checkInit } from './users/init-file.ts';
import { openUsers } from './users/open-users.ts';
import type { UserDirectory } from './users/user-directory.ts';

/** The account that the server's own credentials are. */
export const OWNER_ID = '686f6c6466617374686f6c6466617374686f6c6466617374686f6c6466617374';
const OWNER_NAME = 'holdfast';

const COLLECT_INTERVAL_MS = 10 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
/** Of a day: how often lifecycle rules are applied, and at most once a second. */
const LIFECYCLE_PASSES_PER_DAY = 24;
const LIFECYCLE_PAUSE_MS = 1000;
const SLOW_AFTER_MS = 1000;
/** Of the ten seconds that a stop may take: for requests in flight. The rest is for the last sync. */
const STOP_GRACE_MS = 8_000;

export interface ServerConfig {
  /** The outside. Stays the caller's: `stop` does not close it. */
  readonly env: Env;
  /** Data folder, in `env.files`; made if it is not there. */
  readonly directory: string;
  readonly credentials: Credentials;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Default us-east-1. */
  readonly region?: string;
  /** Buckets to make where they are not there yet. */
  readonly buckets?: readonly string[];
  /** Users to store, in place of what is stored of them, and buckets of theirs to make. */
  readonly init?: InitContent;
  /** The keys that seal stored secrets and data keys; never made. Default: `master.key` in the data folder. */
  readonly masterKeyPath?: string;
  /** File of the keys that requests may name (SSE-KMS). Default: none. */
  readonly namedKeyPath?: string;
  /** Makes buckets with ACLs on, as S3 did until April 2023. Default false. */
  readonly bucketAcls?: boolean;
  /** Takes keys of customers (SSE-C) from other machines without TLS. Default false. */
  readonly customerKeysOverHttp?: boolean;
  /** Host names below which `bucket.domain` addresses a bucket. */
  readonly domains?: readonly string[];
  /** Host names below which `bucket.domain` is the website of a bucket. */
  readonly websiteDomains?: readonly string[];
  /** Accepts AWS Signature Version 2 beside Version 4. Default true. */
  readonly allowSignatureV2?: boolean;
  readonly log?: Log;
  /** Whether `/_/metrics` is kept and answered. Default true. */
  readonly metrics?: boolean;
  /** Path of a Unix socket on which the owner of the data folder may ask for a backup or a collection. Default: none. */
  readonly controlPath?: string;
  /** Backups that are made without being asked for. Default: none. */
  readonly backup?: BackupSchedule;
  /** Pause between two passes of garbage collection. Default 10 minutes; 0 for none. */
  readonly collectIntervalMs?: number;
  /** How long a day of lifecycle rules is; their rules are applied 24 times in it. Default 24 h. */
  readonly lifecycleDayMs?: number;
  /** Whether lifecycle rules are applied without being asked for. Default true. */
  readonly lifecycle?: boolean;
  /** Requests that take longer are logged and counted as slow. Default 1000. */
  readonly slowAfterMs?: number;
  /** Most bytes that the scrubber reads in a second; 0 for no scrubber, the default. */
  readonly scrubBytesPerSecond?: number;
}

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  readonly region: string;
  /** The store below the API, for what has no request: resetting a test, a pass of garbage collection. */
  readonly objects: ObjectStore;
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

  const health: Health = { notReadyBecause: undefined };
  const failure = Promise.withResolvers<Error>();
  const kv = await openLocalStore({
    env,
    directory: config.directory,
    onFailure: (error) => {
      health.notReadyBecause = 'The log has failed.';
      failure.resolve(error);
    },
  });
  cleanup.defer(() => kv.close());
  const keys = await openKeys({
    env,
    directory: config.directory,
    kv,
    masterKeyPath: config.masterKeyPath,
    namedKeyPath: config.namedKeyPath,
  });
  const objects = openObjects(config, kv, keys);
  cleanup.defer(() => objects.close());
  const users = await populate(config, kv, objects, region);

  const startedMs = env.clock.monotonicMs();
  const backups = await BackupKeeper.start({ env, log, store: kv, schedule: config.backup });
  cleanup.defer(() => backups.stop());
  const state: ServerState = {
    config,
    log,
    region,
    kv,
    objects,
    users,
    health,
    startedMs,
    backups,
  };
  const metrics = config.metrics === false ? undefined : await openMetrics(state);
  cleanup.defer(() => metrics?.close());
  state.scrubber = startScrubber(state, metrics);
  cleanup.defer(() => state.scrubber?.stop());
  startPasses(state, metrics, cleanup);
  startKeyRewrap(state, keys, cleanup);
  const control = await openControl(state);
  cleanup.defer(() => control?.close());
  const listener = await openListener(state, metrics);
  state.listener = listener;
  log.info(startupReport(kv.recovery), 'store opened');

  const parts = cleanup.move();
  let stopped: Promise<void> | undefined;
  return {
    host: listener.host,
    port: listener.port,
    region,
    objects,
    failed: failure.promise,
    stop: (options = {}) => {
      stopped ??= stop(state, listener, parts, options.graceMs ?? STOP_GRACE_MS);
      return stopped;
    },
  };
}

function openObjects(
  config: ServerConfig,
  kv: LocalStore,
  { masterKeys, namedKeys }: OpenKeys,
): ObjectStore {
  const { env, log = silentLog } = config;
  return createObjectStore({
    kv,
    env,
    tasks: createTaskQueueFactory({ clock: env.clock, log }),
    // Why: the folder is locked, so an upload that is not in this process died with an earlier one.
    intentGraceMs: 1,
    lifecycleDayMs: config.lifecycleDayMs ?? DAY_MS,
    masterKeys,
    ...(namedKeys && { namedKeys }),
  });
}

/** Goes on with what a rotation of keys began, and names the keys that are missing. */
function startKeyRewrap(
  { kv, objects, log }: ServerState,
  { outdated, missing }: OpenKeys,
  cleanup: AsyncDisposableStack,
): void {
  for (const { keyId, fingerprint } of missing) {
    log.warn(
      { keyId, fingerprint },
      'objects are encrypted with a key that is not in --kms-key-file: they cannot be read',
    );
  }
  if (outdated.length === 0) return;
  const rewrap = startRewrap({ objects, kv, log, outdated });
  cleanup.defer(() => rewrap.stop());
}

interface ServerState {
  readonly config: ServerConfig;
  readonly log: Log;
  readonly region: string;
  readonly kv: LocalStore;
  readonly objects: ObjectStore;
  readonly users: UserDirectory;
  readonly backups: BackupKeeper;
  listener?: HttpListener;
  scrubber?: Scrubber | undefined;
  readonly startedMs: number;
  readonly health: Health;
}

/** Why requests cannot be served, for `/_/health/ready`. */
interface Health {
  notReadyBecause: string | undefined;
}

async function stop(
  state: ServerState,
  listener: HttpListener,
  parts: AsyncDisposableStack,
  graceMs: number,
): Promise<void> {
  state.health.notReadyBecause = 'The server is stopping.';
  try {
    await listener.stop(graceMs);
  } finally {
    await parts.disposeAsync();
  }
}

/** Opens the users, and makes what must be there: users and buckets of the init content. */
async function populate(
  config: ServerConfig,
  kv: LocalStore,
  objects: ObjectStore,
  region: string,
): Promise<UserDirectory> {
  const init = config.init && checkInit(config.init, 'The init content');
  const users = await openUsers({
    env: config.env,
    directory: config.directory,
    kv,
    credentials: config.credentials,
    owner: { id: OWNER_ID, displayName: OWNER_NAME },
    init,
    masterKeyPath: config.masterKeyPath,
  });
  await makeBuckets(objects, [...(config.buckets ?? []), ...(init?.buckets ?? [])], {
    region,
    settings: defaultBucketSettings(config.bucketAcls ?? false),
  });
  return users;
}

async function makeBuckets(
  objects: ObjectStore,
  buckets: readonly (string | BucketInput)[],
  made: { readonly region: string; readonly settings: ReadonlyMap<string, string> },
): Promise<void> {
  for (const bucket of buckets) {
    const { name, owner = OWNER_ID } = typeof bucket === 'string' ? { name: bucket } : bucket;
    try {
      await objects.createBucket(name, { ownerId: owner, ...made });
    } catch (error) {
      const there = error instanceof ObjectStoreError && error.code === 'BucketAlreadyOwnedByYou';
      if (!there) throw error;
    }
  }
}

async function openControl(state: ServerState): Promise<ControlSocket | undefined> {
  const { config, backups, kv, objects } = state;
  if (config.controlPath === undefined) return undefined;
  const { openControlSocket } = await import('./control-socket.ts');
  let isCollecting = false;
  return openControlSocket(config.controlPath, {
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
}

async function openMetrics(state: ServerState): Promise<Metrics> {
  // Why not at the top: a test's server has no metrics, and should not wait for what makes them.
  const { Metrics } = await import('./metrics.ts');
  const { config, kv, startedMs } = state;
  const { clock } = config.env;
  return new Metrics({
    sampleStorage: () => sampleStorage(kv, clock.nowMs()),
    service: {
      requestsInFlight: () => state.listener?.requestsInFlight() ?? 0,
      slowAfterMs: config.slowAfterMs ?? SLOW_AFTER_MS,
      uptimeMs: () => clock.monotonicMs() - startedMs,
      scrubbed: () => state.scrubber?.counters ?? { passes: 0, bytes: 0 },
      backupAgeMs: () => state.backups.ageMs,
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
  });
}

/** What runs from time to time, until the stack is disposed. */
function startPasses(
  state: ServerState,
  metrics: Metrics | undefined,
  cleanup: AsyncDisposableStack,
): void {
  const collector = startCollector(state, metrics);
  cleanup.defer(() => collector?.stop());
  const lifecycle = startLifecycle(state, metrics);
  // Why not waited for: closing the objects ends a pass at its next step.
  cleanup.defer(() => void lifecycle?.stop());
}

function startCollector(
  state: ServerState,
  metrics: Metrics | undefined,
): PeriodicPass | undefined {
  const intervalMs = state.config.collectIntervalMs ?? COLLECT_INTERVAL_MS;
  if (intervalMs === 0) return undefined;
  return startPeriodicPass({
    clock: state.config.env.clock,
    log: state.log,
    name: 'garbage collection',
    run: async () => {
      const report = await state.objects.collectGarbage();
      await reclaimSpace(state.kv);
      return report;
    },
    intervalMs,
    onReport: (report) => {
      metrics?.recordCollected({ passes: 1, ...report });
      if (report.deletedChunks > 0) state.log.info({ ...report }, 'garbage collected');
    },
  });
}

function startLifecycle(
  { config, log, objects }: ServerState,
  metrics: Metrics | undefined,
): PeriodicPass | undefined {
  if (config.lifecycle === false) return undefined;
  const dayMs = config.lifecycleDayMs ?? DAY_MS;
  return startPeriodicPass({
    clock: config.env.clock,
    log,
    name: 'a pass of the lifecycle rules',
    run: () => objects.runLifecycle(),
    intervalMs: Math.max(LIFECYCLE_PAUSE_MS, dayMs / LIFECYCLE_PASSES_PER_DAY),
    onReport: (report) => {
      metrics?.recordLifecycle({ passes: 1, ...report });
      const { expired, noncurrentExpired, markersRemoved, uploadsAborted } = report;
      const removed = expired + noncurrentExpired + markersRemoved + uploadsAborted;
      if (removed > 0) log.info({ ...report }, 'lifecycle rules applied');
    },
  });
}

function openListener(state: ServerState, metrics: Metrics | undefined): Promise<HttpListener> {
  const { config, region } = state;
  const { domains = [], websiteDomains = [] } = config;
  const s3 = createS3Handler({
    store: state.objects,
    env: config.env,
    identities: state.users,
    bucketAcls: config.bucketAcls ?? false,
    customerKeysOverHttp: config.customerKeysOverHttp ?? false,
    region,
    domains,
    websiteDomains,
    allowSignatureV2: config.allowSignatureV2 ?? true,
    logger: state.log,
    onRequest: (record) => recordRequest(state, metrics, record),
  });
  const own = {
    notReadyBecause: () => state.health.notReadyBecause,
    renderMetrics: metrics && (() => metrics.render()),
    metricsContentType: metrics?.contentType ?? 'text/plain',
  };
  const route =
    (handle: S3Handler['handleRequest']) =>
    (request: IncomingMessage, response: ServerResponse): void => {
      const ownRoute = matchOwnRoute(request, [...domains, ...websiteDomains]);
      if (ownRoute) void answerOwnRoute(ownRoute, request, response, own);
      else handle(request, response);
    };
  return openHttpListener({
    clock: config.env.clock,
    host: config.host ?? '127.0.0.1',
    port: config.port,
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
    log.warn({ ...record }, 'slow request');
    return;
  }
  log[requestLevel(record.status)]({ ...record }, 'request');
}

/** What was refused is in the log with its request id by default; a client that left was told none. */
function requestLevel(status: number): 'warn' | 'info' | 'debug' {
  if (status >= 500) return 'warn';
  return status >= 400 && status !== 499 ? 'info' : 'debug';
}
