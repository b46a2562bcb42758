import type { Env } from '@holdfast/env';
import { MemoryFiles } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import type { Credentials, InitContent, Log, RunningServer } from '@holdfast/server';
import { defaultBucketSettings, startServer } from '@holdfast/server';
import { emptyStore, makeBuckets } from './store-reset.ts';

export interface StartS3Options {
  /** Buckets to make at the start and after each `reset`. */
  readonly buckets?: readonly string[];
  /** Keep the data in this folder. Default: in memory, gone after `close`. */
  readonly directory?: string;
  /** Default: a pair that is the same for every instance. */
  readonly credentials?: Credentials;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default us-east-1. */
  readonly region?: string;
  /** Host names below which `bucket.domain` addresses a bucket. Default none: path style. */
  readonly domains?: readonly string[];
  /** Users besides the one of `credentials`, each with an access key. */
  readonly users?: NonNullable<InitContent['users']>;
  /** Makes buckets with ACLs on, as S3 did until April 2023. Default false. */
  readonly bucketAcls?: boolean;
  /** How long a day of lifecycle rules is: the rules are then applied 24 times in it, and at most once a second. Default: they are not. */
  readonly lifecycleDayMs?: number;
  /** Default: nothing is logged. */
  readonly log?: Log;
}

/** What `new S3Client(...)` of @aws-sdk/client-s3 takes. */
export interface S3ClientConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly forcePathStyle: true;
}

export interface S3Instance extends AsyncDisposable {
  /** Such as `http://127.0.0.1:40123`, without a slash at the end. */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  readonly region: string;
  readonly credentials: Credentials;
  readonly clientConfig: S3ClientConfig;
  /**
   * Deletes every object, upload and bucket, and makes the buckets of the options again. For between two tests:
   * what a request in flight writes is deleted too if it ends before the reset does. Several at once are one after the other.
   */
  reset(): Promise<void>;
  /** Finishes requests in flight for at most a second, then gives everything back. Idempotent. */
  close(): Promise<void>;
}

/** Meant to be seen: the server is reachable by this process's machine only, for the time of a test. */
const TEST_CREDENTIALS: Credentials = {
  accessKeyId: 'holdfast-test',
  secretAccessKey: 'holdfast-test-secret',
};

const CLOSE_GRACE_MS = 1_000;

/**
 * Starts the production engine inside this process and listens. Any number at once; nothing is shared between
 * them. Rejects with the error of the layer that could not start.
 */
export async function startS3(options: StartS3Options = {}): Promise<S3Instance> {
  const env = await testEnv(options.directory);
  const credentials = options.credentials ?? TEST_CREDENTIALS;
  const buckets = [...new Set(options.buckets)];
  const server = await startServer({
    env,
    directory: options.directory ?? '/holdfast',
    credentials,
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    region: options.region ?? 'us-east-1',
    buckets,
    domains: options.domains ?? [],
    bucketAcls: options.bucketAcls ?? false,
    ...(options.users && { init: { users: options.users } }),
    ...(options.log ? { log: options.log } : {}),
    metrics: false,
    lifecycle: options.lifecycleDayMs !== undefined,
    ...(options.lifecycleDayMs !== undefined && { lifecycleDayMs: options.lifecycleDayMs }),
    collectIntervalMs: 0,
  }).catch(async (error: unknown) => {
    await env.digests.close();
    throw error;
  });
  const settings = defaultBucketSettings(options.bucketAcls ?? false);
  return instance(server, env, credentials, { buckets, settings });
}

/** What there is at the start, and after each reset. */
interface Made {
  readonly buckets: readonly string[];
  readonly settings: ReadonlyMap<string, string>;
}

function instance(
  server: RunningServer,
  env: Env,
  credentials: Credentials,
  { buckets, settings }: Made,
): S3Instance {
  const endpoint = `http://${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`;
  const close = async (): Promise<void> => {
    await server.stop({ graceMs: CLOSE_GRACE_MS });
    await env.digests.close();
  };
  const reset = async (): Promise<void> => {
    await emptyStore(server.objects);
    await makeBuckets(server.objects, buckets, { region: server.region, settings });
  };
  let last = Promise.resolve();
  return {
    endpoint,
    host: server.host,
    port: server.port,
    region: server.region,
    credentials,
    clientConfig: { endpoint, region: server.region, credentials, forcePathStyle: true },
    reset: () => {
      last = last.then(reset, reset);
      return last;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The real clock, randomness and hashing; real files only for a folder. */
async function testEnv(directory: string | undefined): Promise<Env> {
  const env = await createNodeEnv();
  if (directory !== undefined) return env;
  return { ...env, files: new MemoryFiles({ clock: env.clock }) };
}
