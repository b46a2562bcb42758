import type { KvStore } from '@holdfast/kv';
import type { ObjectStore } from '@holdfast/objects';
import { checkBucketName, ObjectStoreError } from '@holdfast/objects';
import { defaultBucketSettings } from '@holdfast/s3';
import type { AgreedKeys } from './keys/agreed-keys.ts';
import type { ServerConfig } from './server-config.ts';
import { OWNER_ID, OWNER_NAME } from './server-config.ts';
import type { CurrentUsers } from './users/current-users.ts';
import type { BucketInput } from './users/init-file.ts';
import { checkInit } from './users/init-file.ts';
import { openUsers } from './users/open-users.ts';
import { agreeOnRootKeys } from './users/root-keys.ts';

/** What is filled, and from what. */
export interface Population {
  readonly config: ServerConfig;
  readonly kv: KvStore;
  readonly objects: ObjectStore;
  readonly region: string;
  readonly users: CurrentUsers;
  /** Of a node of a cluster. */
  readonly agreedKeys: AgreedKeys | undefined;
}

/** Opens the users, and makes what must be there: users and buckets of the init content. */
export async function populate(population: Population): Promise<void> {
  const { config, kv, objects, region, users } = population;
  const { cluster, credentials, env } = config;
  if (cluster !== undefined) {
    await agreeOnRootKeys(kv, env.random, credentials, cluster.replaceRootKeys ?? false);
  }
  const init = config.init && checkInit(config.init, 'The init content');
  users.replace(await openUsers({ ...userOptions(population), init }));
  await makeBuckets(objects, [...(config.buckets ?? []), ...(init?.buckets ?? [])], {
    region,
    settings: defaultBucketSettings(config.bucketAcls ?? false),
  });
}

/** InvalidBucketName as `populate` throws it, before there is a store. */
export function refuseBadBucketNames({
  buckets = [],
  init,
}: Pick<ServerConfig, 'buckets' | 'init'>): void {
  for (const bucket of [...buckets, ...(init?.buckets ?? [])]) {
    const name = nameOf(bucket);
    try {
      checkBucketName(name);
    } catch (error) {
      throw cannotBeMade(name, error);
    }
  }
}

/** Reads the users anew that are stored. */
export async function reloadUsers(population: Population): Promise<void> {
  const options = { ...userOptions(population), init: undefined };
  population.users.replace(await openUsers(options));
}

function userOptions({
  config,
  kv,
  agreedKeys,
}: Population): Omit<Parameters<typeof openUsers>[0], 'init'> {
  return {
    env: config.env,
    directory: config.directory,
    kv,
    credentials: config.credentials,
    owner: { id: OWNER_ID, displayName: OWNER_NAME },
    masterKeyPath: config.masterKeyPath,
    agreedKeys,
  };
}

/** What S3's own message leaves out. */
const NAME_RULE =
  'A name has 3 to 63 small letters, digits, dots and hyphens, and a letter or a digit at both ends.';

async function makeBuckets(
  objects: ObjectStore,
  buckets: readonly (string | BucketInput)[],
  made: { readonly region: string; readonly settings: ReadonlyMap<string, string> },
): Promise<void> {
  for (const bucket of buckets) {
    const owner = typeof bucket === 'string' ? undefined : bucket.owner;
    const name = nameOf(bucket);
    try {
      await objects.createBucket(name, { ownerId: owner ?? OWNER_ID, ...made });
    } catch (error) {
      if (error instanceof ObjectStoreError && error.code === 'BucketAlreadyOwnedByYou') continue;
      throw cannotBeMade(name, error);
    }
  }
}

function nameOf(bucket: string | BucketInput): string {
  return typeof bucket === 'string' ? bucket : bucket.name;
}

function cannotBeMade(name: string, error: unknown): unknown {
  if (!(error instanceof ObjectStoreError)) return error;
  // Why with its name: there may be many, and they may stand in a file.
  const rule = error.code === 'InvalidBucketName' ? ` ${NAME_RULE}` : '';
  const message = `The bucket ${JSON.stringify(name)} cannot be made: ${error.message}${rule}`;
  return new ObjectStoreError(error.code, message, error.details, { cause: error });
}
