import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { createMemoryEnv, ManualClock, type MemoryEnv } from '@holdfast/env/memory';
import { NodeClock } from '@holdfast/env/node';
import type { KvStore } from '@holdfast/kv';
import { createLaggingStore, createMemoryStore, type LaggingStore } from '@holdfast/kv/testing';
import {
  createLocalKeys,
  createObjectStore,
  type ObjectStore,
  type TaskQueueFactory,
} from '@holdfast/objects';
import type { S3Handler, S3HandlerOptions, S3RequestRecord } from '../src/index.ts';
import { createS3Handler } from '../src/index.ts';
import { SurfaceRecord } from './surface-record.ts';
import { identitiesOf, type TestUser } from './test-users.ts';

export const ACCESS_KEY = 'AKIDEXAMPLE';
export const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
export const OWNER_ID = '75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a';

const TESTER: TestUser = {
  account: { id: OWNER_ID, displayName: 'tester' },
  name: OWNER_ID,
  email: 'tester@example.com',
  accessKeyId: ACCESS_KEY,
  secretAccessKey: SECRET_KEY,
};

export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  readonly endpoint: string;
  readonly env: MemoryEnv;
  /** The server's clock: moves only when told to. */
  readonly clock: ManualClock;
  readonly kv: KvStore;
  readonly store: ObjectStore;
  /** What `onRequest` was told, in order. */
  readonly records: readonly S3RequestRecord[];
  /** What was logged as an error. */
  readonly logged: readonly object[];
  /** What was logged as a warning. */
  readonly warned: readonly object[];
  /** Makes a client; all are closed with the server. */
  client(config?: Partial<S3ClientConfig>): S3Client;
  /** Resolves once `count` requests are recorded. */
  recorded(count: number): Promise<void>;
}

export interface TestServerOptions
  extends Pick<
    S3HandlerOptions,
    | 'limits'
    | 'region'
    | 'domains'
    | 'allowSignatureV2'
    | 'bucketAcls'
    | 'recreateBuckets'
    | 'answersAsCeph'
    | 'isNotificationTarget'
    | 'unavailableBecause'
    | 'websiteDomains'
    | 'customerKeysOverHttp'
  > {
  /** Default: one in memory. */
  readonly kv?: KvStore;
  /** Users besides the tester. */
  readonly users?: readonly TestUser[];
  /** Stands between the handler and the store, to make it fail. */
  readonly wrap?: (store: ObjectStore) => ObjectStore;
}

/** A node that hears of what others do only when it asks them, and another one of the same cluster. */
export interface LaggingServer extends TestServer {
  readonly elsewhere: ObjectStore;
  readonly node: LaggingStore;
}

export async function startLaggingServer(options: TestServerOptions = {}): Promise<LaggingServer> {
  const agreed = createMemoryStore();
  const node = await createLaggingStore(agreed);
  const server = await startTestServer({ ...options, kv: node });
  const elsewhere = createObjectStore({
    kv: agreed,
    env: server.env,
    tasks: runAtOnce,
    ...keysOf(server.env),
  });
  return { ...server, node, elsewhere };
}

/** The production stack above a KvStore in memory, on a real socket. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const clock = new ManualClock(new NodeClock().nowMs());
  const env = await createMemoryEnv({ clock });
  const kv = options.kv ?? createMemoryStore();
  const store = createObjectStore({ kv, env, tasks: runAtOnce, ...keysOf(env) });
  const records: S3RequestRecord[] = [];
  const surface = new SurfaceRecord();
  const logged: object[] = [];
  const warned: object[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const handler = createS3Handler({
    ...options,
    store: options.wrap?.(store) ?? store,
    env,
    identities: identitiesOf([TESTER, ...(options.users ?? [])]),
    logger: {
      debug() {},
      info() {},
      warn: (fields) => warned.push(fields),
      error: (fields) => logged.push(fields),
    },
    onRequest: (record) => {
      records.push(record);
      surface.onRequest(record);
      for (const { count, resolve } of waiting) if (records.length >= count) resolve();
    },
  });
  const server = await listen(handler);
  surface.listen(server);
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const clients: S3Client[] = [];
  return {
    server,
    port,
    endpoint,
    env,
    clock,
    kv,
    store,
    records,
    logged,
    warned,
    client: (config) => {
      const client = new S3Client({
        endpoint,
        region: options.region ?? 'us-east-1',
        forcePathStyle: true,
        maxAttempts: 1,
        credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
        ...config,
      });
      clients.push(client);
      return client;
    },
    recorded: (count) =>
      new Promise((resolve) => {
        if (records.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await store.close();
      await env.digests.close();
    },
  };
}

async function listen(handler: S3Handler): Promise<Server> {
  const server = createServer(
    // Why no limit for idle connections: a test may pause on a busy machine, and would then meet a closed one.
    { requestTimeout: 0, keepAliveTimeout: 0, requireHostHeader: false },
    handler.handleRequest,
  );
  server.on('checkContinue', handler.handleContinue);
  server.on('checkExpectation', handler.handleRequest);
  server.on('clientError', handler.handleClientError);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** A master key, and a named key `one`; there is no default key. */
function keysOf(env: MemoryEnv) {
  const key = (byte: number): readonly Uint8Array[] => [new Uint8Array(32).fill(byte)];
  return {
    masterKeys: createLocalKeys({
      env,
      keys: new Map([['master', key(1)]]),
      defaultKeyId: 'master',
    }),
    namedKeys: createLocalKeys({ env, keys: new Map([['one', key(2)]]) }),
  };
}

const runAtOnce: TaskQueueFactory = (_name, run) => {
  let last: Promise<void> = Promise.resolve();
  return {
    push: (_id, task) => {
      last = last.then(() => run(task));
    },
    idle: () => last,
    close: () => last,
  };
};
