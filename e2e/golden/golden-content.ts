/** Puts something of every kind into a store, and says what it must answer for ever after. */
import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { patternBytes, sha256 } from '../harness/pattern-bytes.ts';
import type { GoldenRead } from './golden-reads.ts';
import { ask } from './golden-reads.ts';

const KIB = 1024;
/** In the index, and in the log. */
const SIZES = [0, 100, 3 * KIB];
const CUSTOMER_KEY = Buffer.alloc(32, 7);
const CUSTOMER = {
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: CUSTOMER_KEY.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(CUSTOMER_KEY).digest('base64'),
};

export const BUCKETS = {
  plain: 'golden-plain',
  versions: 'golden-versions',
  sealed: 'golden-sealed',
  told: 'golden-told',
} as const;

/** What a set is asked, as far as a store of its time has it. */
export class GoldenContent {
  readonly reads: GoldenRead[] = [];
  readonly #client: S3Client;
  #seed = 0;

  constructor(client: S3Client) {
    this.#client = client;
  }

  /** Objects of all sizes, one that is gone, one in parts, an upload that is open; a listing of them. */
  async plain(): Promise<void> {
    const Bucket = BUCKETS.plain;
    await this.#client.send(new CreateBucketCommand({ Bucket }));
    for (const size of SIZES) {
      await this.#put({ Bucket, Key: `size/${size}`, Metadata: { size: String(size) } }, size);
    }
    await this.#put({ Bucket, Key: 'ä \u{1f600}/%00+' }, 10);
    await this.#put({ Bucket, Key: 'gone' }, 5 * KIB, false);
    await this.#client.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }));
    await this.#inParts({ Bucket, Key: 'parts' });
  }

  /** Settings of a bucket, tags, headers and checksums of objects. */
  async settings(): Promise<void> {
    const Bucket = BUCKETS.plain;
    const headers = { ContentType: 'text/plain', CacheControl: 'no-cache', Tagging: 'colour=blue' };
    const object = { Bucket, Key: 'headers' };
    await this.#put({ ...object, ...headers, ChecksumAlgorithm: 'SHA256' }, 20);
    await this.#keep('GetObjectTagging', object);
    await this.#keep('GetObject', { ...object, ChecksumMode: 'ENABLED' });
    const Statement = [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/open/*`,
      },
    ];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await this.#client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    await this.#keep('GetBucketPolicy', { Bucket });
    const CORSRules = [{ AllowedMethods: ['GET'], AllowedOrigins: ['*'] }];
    await this.#client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
    await this.#keep('GetBucketCors', { Bucket });
    const rule = {
      ID: 'old',
      Status: 'Enabled',
      Filter: { Prefix: 'no/such/' },
      Expiration: { Days: 9 },
    } as const;
    await this.#client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket,
        LifecycleConfiguration: { Rules: [rule] },
      }),
    );
    await this.#keep('GetBucketLifecycleConfiguration', { Bucket });
  }

  /** Versions, the null version, a delete marker, a retention and a legal hold. */
  async versions(): Promise<void> {
    const Bucket = BUCKETS.versions;
    await this.#client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    await this.#client.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
    for (const size of [50, 60]) await this.#put({ Bucket, Key: 'many' }, size);
    await this.#put({ Bucket, Key: 'marked' }, 30, false);
    await this.#client.send(new DeleteObjectCommand({ Bucket, Key: 'marked' }));
    const locked = { Bucket, Key: 'locked' };
    const until = new Date(Date.UTC(2099, 0, 1));
    await this.#put(
      {
        ...locked,
        ObjectLockMode: 'COMPLIANCE',
        ObjectLockRetainUntilDate: until,
        ObjectLockLegalHoldStatus: 'ON',
      },
      40,
    );
    const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } as const;
    await this.#client.send(
      new PutObjectLockConfigurationCommand({
        Bucket,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule },
      }),
    );
    await this.#keep('GetObjectRetention', locked);
    await this.#keep('GetObjectLegalHold', locked);
    await this.#keep('GetObjectLockConfiguration', { Bucket });
    await this.#keep('GetBucketVersioning', { Bucket });
  }

  /** Objects under a key of the customer's, of the server's, and a named one. */
  async sealed(): Promise<void> {
    const Bucket = BUCKETS.sealed;
    await this.#client.send(new CreateBucketCommand({ Bucket }));
    await this.#put({ Bucket, Key: 'master', ServerSideEncryption: 'AES256' }, 2 * KIB);
    const named = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'one' } as const;
    await this.#put({ Bucket, Key: 'named', ...named }, 90);
    await this.#put({ Bucket, Key: 'customer', ...CUSTOMER }, 4 * KIB);
  }

  /** Changes that a target is told of; it does not listen. */
  async told(): Promise<void> {
    const Bucket = BUCKETS.told;
    await this.#client.send(new CreateBucketCommand({ Bucket }));
    await this.#client.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket,
        NotificationConfiguration: {
          QueueConfigurations: [
            { Id: 'all', QueueArn: 'arn:holdfast:webhook::hook', Events: ['s3:ObjectCreated:*'] },
          ],
        },
      }),
    );
    for (const Key of ['first', 'second']) await this.#put({ Bucket, Key }, 70);
    await this.#keep('GetBucketNotificationConfiguration', { Bucket });
  }

  /** To be called when nothing more is written to the bucket. */
  async listing(Bucket: string): Promise<void> {
    for (const command of ['ListObjectsV2', 'ListObjectVersions', 'ListMultipartUploads']) {
      await this.#keep(command, { Bucket });
    }
  }

  async #put(
    input: { readonly Bucket: string; readonly Key: string; readonly [more: string]: unknown },
    sizeBytes: number,
    isKept = true,
  ): Promise<void> {
    const Body = patternBytes(++this.#seed, sizeBytes);
    const { VersionId } = await this.#client.send(new PutObjectCommand({ ...input, Body }));
    if (!isKept) return;
    const { Bucket, Key } = input;
    const secret = input['SSECustomerKey'] === undefined ? {} : CUSTOMER;
    const read = { Bucket, Key, ...secret, ...(VersionId !== undefined && { VersionId }) };
    const answer = (await this.#keep('GetObject', read)) as { sha256: string };
    if (answer.sha256 !== sha256(Body)) throw new Error(`${Bucket}/${Key} is not what was put`);
  }

  async #inParts(object: { readonly Bucket: string; readonly Key: string }): Promise<void> {
    for (const isOpen of [false, true]) {
      const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(object));
      const part = { ...object, UploadId, PartNumber: 3 };
      const Body = patternBytes(++this.#seed, 7 * KIB);
      const { ETag } = await this.#client.send(new UploadPartCommand({ ...part, Body }));
      const MultipartUpload = { Parts: [{ PartNumber: 3, ETag }] };
      if (isOpen) await this.#keep('ListParts', { ...object, UploadId });
      else {
        await this.#client.send(
          new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload }),
        );
      }
    }
    await this.#keep('GetObject', object);
  }

  async #keep(command: string, input: Readonly<Record<string, unknown>>): Promise<unknown> {
    const answer = await ask(this.#client, command, input);
    this.reads.push({ command, input, answer });
    return answer;
  }
}
