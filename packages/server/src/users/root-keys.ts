import { scrypt, timingSafeEqual } from 'node:crypto';
import { fromUtf8, utf8 } from '@holdfast/bytes';
import type { Random } from '@holdfast/env';
import type { KvStore } from '@holdfast/kv';
import { z } from 'zod';
import type { Credentials } from '../credentials.ts';
import { SettingsError } from '../settings-error.ts';

/** Key of the record in the KvStore. `docs/formats/keys.md` lists them all. */
const ROOT_KEYS = Uint8Array.of(0x62);

const SALT_BYTES = 16;
const DIGEST_BYTES = 32;

const recordSchema = z.object({
  version: z.literal(1),
  accessKeyId: z.string(),
  salt: z.string(),
  digest: z.string(),
});

/**
 * Sees to it that every node of a cluster has one root key pair. The first node to start writes down a digest of its
 * pair (scrypt, with a salt), the others compare. Throws a SettingsError where the pair is another, unless `replace`
 * says that it is the new one.
 *
 * Why not the pair itself: who reads a disk, or a backup, should not be able to sign requests.
 */
export async function agreeOnRootKeys(
  kv: KvStore,
  random: Random,
  credentials: Credentials,
  replace: boolean,
): Promise<void> {
  const stored = await kv.get(ROOT_KEYS);
  if (stored !== undefined) {
    const record = recordSchema.parse(JSON.parse(fromUtf8(stored.value)));
    if (await isOf(record, credentials)) return;
    if (!replace) throw anotherPair(record.accessKeyId, credentials.accessKeyId);
  }
  const salt = random.bytes(SALT_BYTES);
  const record = {
    version: 1,
    accessKeyId: credentials.accessKeyId,
    salt: Buffer.from(salt).toString('base64'),
    digest: (await digestOf(credentials, salt)).toString('base64'),
  };
  const result = await kv.transact({
    conditions: [
      stored === undefined
        ? { kind: 'absent', key: ROOT_KEYS }
        : { kind: 'versionEquals', key: ROOT_KEYS, version: stored.version },
    ],
    operations: [{ kind: 'put', key: ROOT_KEYS, value: utf8(JSON.stringify(record)) }],
  });
  // Another node was faster: its pair is the one to compare with.
  if (!result.committed) await agreeOnRootKeys(kv, random, credentials, replace);
}

async function isOf(
  record: z.infer<typeof recordSchema>,
  credentials: Credentials,
): Promise<boolean> {
  if (record.accessKeyId !== credentials.accessKeyId) return false;
  const digest = await digestOf(credentials, Buffer.from(record.salt, 'base64'));
  const expected = Buffer.from(record.digest, 'base64');
  return expected.length === digest.length && timingSafeEqual(expected, digest);
}

function digestOf({ secretAccessKey }: Credentials, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(secretAccessKey, salt, DIGEST_BYTES, (error, digest) => {
      if (error === null) resolve(digest);
      else reject(error);
    });
  });
}

function anotherPair(theirs: string, ours: string): SettingsError {
  const which =
    theirs === ours
      ? `the secret key of ${ours} is another on the other nodes`
      : `the access key is ${ours} here and ${theirs} on the other nodes`;
  return new SettingsError(
    `All nodes of a cluster have one key pair, and ${which}. Give this node the same, or start it with ` +
      '--replace-root-keys if the pair is new, and then the others.',
  );
}
