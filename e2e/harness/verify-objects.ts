import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { GetObjectCommand, paginateListObjectsV2, S3ServiceException } from '@aws-sdk/client-s3';
import type { Version } from './write-ledger.ts';
import { ABSENT } from './write-ledger.ts';

const LANES = 8;

/**
 * For clients whose objects are held against a digest anyway. Why: the SDK computes checksums in JavaScript, which was a
 * fifth of the processor time of a power cut.
 */
export const NO_CHECKSUMS = {
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
} as const;

/** What each key of a bucket may hold. */
export type Allowed = ReadonlyMap<string, ReadonlySet<Version>>;

export interface Verified {
  /** The digest of every key that was read. */
  readonly seen: ReadonlyMap<string, Version>;
  /** In words; empty where all is well. */
  readonly violations: readonly string[];
}

/** Reads every key whole, and the listing, and compares them with what is allowed. */
export async function verifyObjects(
  client: S3Client,
  bucket: string,
  allowed: Allowed,
): Promise<Verified> {
  const seen = new Map<string, Version>();
  const violations: string[] = [];
  const keys = [...allowed.keys()];
  const readNext = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      seen.set(key, await digestOf(client, bucket, key));
    }
  };
  await Promise.all(Array.from({ length: LANES }, readNext));
  for (const [key, version] of seen) {
    if (allowed.get(key)?.has(version) === true) continue;
    const wanted = [...(allowed.get(key) ?? [])].join(' or ');
    violations.push(`${key} is ${version}, and may be ${wanted}`);
  }
  const present = [...seen].filter(([, version]) => version !== ABSENT).map(([key]) => key);
  const listed = await listedKeys(client, bucket);
  if (listed.join('\n') !== present.toSorted().join('\n')) {
    violations.push(`the listing has ${listed.join(' ')}, and there are ${present.join(' ')}`);
  }
  return { seen, violations };
}

/** Reads an object whole, or a version of it. */
export async function digestOf(
  client: S3Client,
  Bucket: string,
  Key: string,
  VersionId?: string,
): Promise<Version> {
  try {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key, VersionId }));
    const hash = createHash('sha256');
    for await (const piece of answer.Body as AsyncIterable<Uint8Array>) hash.update(piece);
    return hash.digest('hex');
  } catch (error) {
    if (error instanceof S3ServiceException && ['NoSuchKey', 'NoSuchVersion'].includes(error.name))
      return ABSENT;
    throw error;
  }
}

/** Every key that begins with `Prefix`, by small pages. */
export async function listedKeys(client: S3Client, Bucket: string, Prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix, MaxKeys: 20 })) {
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
  }
  return keys;
}
