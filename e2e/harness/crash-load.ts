import type { S3Client } from '@aws-sdk/client-s3';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { patternBytes, sha256 } from './pattern-bytes.ts';
import { SeededDice } from './seeded-dice.ts';
import type { WriteLedger } from './write-ledger.ts';
import { ABSENT } from './write-ledger.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PART_BYTES = 5 * MIB;
const OWN_KEYS = 6;
const SHARED_KEYS = 5;
/** Objects that are never changed, to copy from: small, in chunks, and in parts. */
const SOURCES = [
  { key: 'source/small', sizeBytes: 9 * KIB },
  { key: 'source/chunks', sizeBytes: 3 * MIB + 1 },
  { key: 'source/parts', sizeBytes: PART_BYTES + MIB },
] as const;

export interface LoadOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly ledger: WriteLedger;
  readonly seed: number;
  readonly lanes: number;
  /** Bytes of a body, by a number below 100 and dice. Default: small ones mostly, and some in parts. */
  readonly bodySize?: (kind: number, dice: SeededDice) => number;
  /** Called at each acknowledgement. */
  readonly onAcknowledged: () => void;
  /** Takes a refusal, after which the lane goes on: the write may have happened or not. Default: a failure. */
  readonly onRefused?: (error: S3ServiceException) => void;
}

/** Writes in several lanes until the server is gone. Resolves when no request is out any more. */
export async function runLoad(options: LoadOptions): Promise<void> {
  const dice = new SeededDice(options.seed);
  const lanes = Array.from({ length: options.lanes }, (_, lane) =>
    runLane(options, lane, new SeededDice(dice.below(2 ** 31))),
  );
  await Promise.all(lanes);
}

/** Puts the objects that are copied from. */
export async function putSources(
  client: S3Client,
  bucket: string,
  ledger: WriteLedger,
): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (const [at, { key, sizeBytes }] of SOURCES.entries()) {
    const body = patternBytes(900 + at, sizeBytes);
    const attempt = ledger.begin(key, sha256(body));
    if (sizeBytes > PART_BYTES) await putInParts(client, bucket, key, body);
    else await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    ledger.acknowledge(attempt);
    digests.set(key, attempt.version);
  }
  return digests;
}

async function runLane(options: LoadOptions, lane: number, dice: SeededDice): Promise<void> {
  for (;;) {
    try {
      await writeOnce(options, lane, dice);
      options.onAcknowledged();
    } catch (error) {
      // A refusal that came as an answer is a failure of the test; a cut connection is what it is about.
      if (!(error instanceof S3ServiceException) || error.$metadata.httpStatusCode === undefined) {
        return;
      }
      if (options.onRefused === undefined) throw error;
      options.onRefused(error);
    }
  }
}

async function writeOnce(options: LoadOptions, lane: number, dice: SeededDice): Promise<void> {
  const { client, bucket: Bucket, ledger } = options;
  const shared = dice.below(5) === 0;
  const Key = shared ? `shared/${dice.below(SHARED_KEYS)}` : `lane-${lane}/${dice.below(OWN_KEYS)}`;
  const kind = dice.below(100);
  if (kind < 15) {
    const attempt = ledger.begin(Key, ABSENT);
    await client.send(new DeleteObjectCommand({ Bucket, Key }));
    ledger.acknowledge(attempt);
    return;
  }
  if (kind < 30) {
    const source = dice.pick(SOURCES).key;
    const [version = ABSENT] = ledger.allowed(source);
    const attempt = ledger.begin(Key, version);
    await client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${source}` }));
    ledger.acknowledge(attempt);
    return;
  }
  const sizeOf = options.bodySize ?? bodySize;
  const body = patternBytes(dice.below(2 ** 31), sizeOf(kind, dice));
  const attempt = ledger.begin(Key, sha256(body));
  if (body.length > PART_BYTES) await putInParts(client, Bucket, Key, body);
  else await client.send(new PutObjectCommand({ Bucket, Key, Body: body }));
  ledger.acknowledge(attempt);
}

function bodySize(kind: number, dice: SeededDice): number {
  if (kind < 80) return dice.below(32 * KIB);
  if (kind < 90) return 128 * KIB + dice.below(MIB);
  if (kind < 96) return 3 * MIB;
  return PART_BYTES + dice.below(MIB) + 1;
}

/** Puts an object in parts of 5 MiB, all on their way at once. */
export async function putInParts(
  client: S3Client,
  Bucket: string,
  Key: string,
  body: Buffer,
): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const count = Math.ceil(body.length / PART_BYTES);
  const Parts = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const PartNumber = at + 1;
      const Body = body.subarray(at * PART_BYTES, PartNumber * PART_BYTES);
      const part = await client.send(
        new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }),
      );
      return { PartNumber, ETag: part.ETag };
    }),
  );
  await client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
  );
}
