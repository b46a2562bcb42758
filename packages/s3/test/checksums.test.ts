import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Sha512 } from '@aws-sdk/checksums/sha';
import { Xxh3_64, Xxh3_128, Xxh64 } from '@aws-sdk/checksums/xxh';
import {
  type ChecksumAlgorithm,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const Bucket = 'sums';
const TEXT = '123456789';
/** Of the text, computed by other implementations: Node's and zlib's, the catalogue of CRCs, the xxHash library in C. */
const OF_TEXT: ReadonlyMap<ChecksumAlgorithm, string> = new Map([
  ['CRC32', 'y/Q5Jg=='],
  ['CRC32C', '4waSgw=='],
  ['CRC64NVME', 'rosUhgp5mIg='],
  ['SHA1', '98O8HYCOBHMq32eZZczDTKeuNEE='],
  ['SHA256', 'FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU='],
  [
    'SHA512',
    '2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==',
  ],
  ['MD5', 'JfnnlDI7RTiF9RgfG2JNCw=='],
  ['XXHASH64', 'jLhB20DmroM='],
  ['XXHASH3', 'ctyxi2ehff8='],
  ['XXHASH128', 'MxGUd+3l3NXpcWQnaB1YYA=='],
]);

let server: TestServer;
let s3: S3Client;

beforeAll(async () => {
  server = await startTestServer();
  // Those that the SDK has and must be told to use.
  const newer = { SHA512: Sha512, XXHASH64: Xxh64, XXHASH3: Xxh3_64, XXHASH128: Xxh3_128 };
  s3 = server.client({ checksumAlgorithms: newer });
  await s3.send(new CreateBucketCommand({ Bucket }));
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** The SDK computes it; but for MD5, of which it only takes the value. */
function asked(algorithm: ChecksumAlgorithm, md5: string): object {
  return algorithm === 'MD5' ? { ChecksumMD5: md5 } : { ChecksumAlgorithm: algorithm };
}

const md5 = (text: string): string => createHash('md5').update(text).digest('base64');

/** The one checksum of an answer. */
function checksumOf(answer: object): [string, string] | undefined {
  const found = Object.entries(answer).find(([name]) => /^Checksum(?!Type|Algorithm)/.test(name));
  return found && [found[0].slice('Checksum'.length), String(found[1])];
}

test.each([...OF_TEXT])(
  '%s: what the SDK sends is verified, stored and given back, and another value is refused',
  async (algorithm, value) => {
    const Key = algorithm;
    const put = await s3.send(
      new PutObjectCommand({ Bucket, Key, Body: TEXT, ...asked(algorithm, value) }),
    );
    expect(checksumOf(put)).toEqual([algorithm, value]);
    const Body = Readable.from([Buffer.from(TEXT)]);
    const streamed = await s3.send(
      new PutObjectCommand({
        Bucket,
        Key,
        Body,
        ContentLength: TEXT.length,
        ...asked(algorithm, value),
      }),
    );
    expect(checksumOf(streamed)).toEqual([algorithm, value]);
    const ChecksumMode = 'ENABLED';
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode }));
    expect([checksumOf(head), head.ChecksumType]).toEqual([[algorithm, value], 'FULL_OBJECT']);
    // The SDK compares what it reads.
    const got = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode }));
    expect(await got.Body?.transformToString()).toBe(TEXT);
    const attributes = await s3.send(
      new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['Checksum'] }),
    );
    expect(checksumOf(attributes.Checksum ?? {})).toEqual([algorithm, value]);
    const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
    const wrong = await send(server, {
      method: 'PUT',
      path: `/${Bucket}/wrong`,
      headers: { [name]: value },
      body: 'another text',
    });
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest']);
    const short = await send(server, {
      method: 'PUT',
      path: `/${Bucket}/wrong`,
      headers: { [name]: 'AAA=' },
      body: TEXT,
    });
    expect([short.status, short.code]).toEqual([400, 'InvalidRequest']);
  },
);

/** Of 5 MiB of `a` and then the text, as two parts. */
const COMPOSITES: ReadonlyMap<ChecksumAlgorithm, string> = new Map([
  ['SHA1', '5qonJ9ADNa7aOlpUl8EwUXXMRLs=-2'],
  ['SHA256', '0cj4J7UHrH1zzQ7wRAlT/mwrxe6Fk8PnlW+VeZ8ULy8=-2'],
  [
    'SHA512',
    'Jo90Nq9mZoe05fuLY5gJQ2tUZB6h3ARWAE+QdAzfVbLtxdziJ+cwtvxGr87X53pUWeETWt1NeYODNqLexaxw3w==-2',
  ],
  ['MD5', 'dC/fhb6aeMOg+0S5yzPfRQ==-2'],
  ['XXHASH64', 'opAP1rEO+BM=-2'],
  ['XXHASH3', '1U66GCaU45A=-2'],
  ['XXHASH128', 'Ea2GPddDr+R6e5BXXJR8MA==-2'],
]);

test.each([...COMPOSITES])(
  '%s: parts keep theirs, and the object has the composite of them',
  async (algorithm, composite) => {
    const Key = `parts-${algorithm}`;
    const full = s3.send(
      new CreateMultipartUploadCommand({
        Bucket,
        Key,
        ChecksumAlgorithm: algorithm,
        ChecksumType: 'FULL_OBJECT',
      }),
    );
    await expect(full).rejects.toMatchObject({ name: 'InvalidRequest' });
    const { UploadId, ChecksumType } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: algorithm }),
    );
    expect(ChecksumType).toBe('COMPOSITE');
    const upload = (PartNumber: number, Body: string) =>
      s3.send(
        new UploadPartCommand({
          Bucket,
          Key,
          UploadId,
          PartNumber,
          Body,
          ...asked(algorithm, md5(Body)),
        }),
      );
    await upload(1, 'a'.repeat(5 * 1024 * 1024));
    const { ETag } = await upload(2, TEXT);
    const { Parts = [] } = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    expect(checksumOf(Parts[1] ?? {})).toEqual([algorithm, OF_TEXT.get(algorithm)]);
    const complete = (sum: string) =>
      s3.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key,
          UploadId,
          MultipartUpload: {
            Parts: [
              { ...Parts[0], PartNumber: 1 },
              { PartNumber: 2, ETag, [`Checksum${algorithm}`]: sum },
            ],
          },
        }),
      );
    const other = OF_TEXT.get(algorithm)?.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));
    await expect(complete(other ?? '')).rejects.toMatchObject({ name: 'InvalidPart' });
    const completed = await complete(OF_TEXT.get(algorithm) ?? '');
    expect(checksumOf(completed)).toEqual([algorithm, composite]);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    expect([checksumOf(head), head.ChecksumType]).toEqual([[algorithm, composite], 'COMPOSITE']);
    const { Checksum = {} } = await s3.send(
      new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['Checksum'] }),
    );
    expect(checksumOf(Checksum)).toEqual([algorithm, composite.replace(/-\d+$/, '')]);
  },
);

test('a copy of parts with a composite checksum has one of all of it, by the same algorithm', async () => {
  const upload = { Bucket, Key: 'composite' };
  const sent = { ...upload, ChecksumAlgorithm: 'SHA256' } as const;
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(sent));
  const part = { ...sent, UploadId, PartNumber: 1, Body: TEXT };
  const { ETag, ChecksumSHA256 } = await s3.send(new UploadPartCommand(part));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ChecksumSHA256 }] };
  await s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }));
  const copy = { Bucket, Key: 'composite-copy' };
  const { CopyObjectResult = {} } = await s3.send(
    new CopyObjectCommand({ ...copy, CopySource: `${Bucket}/composite` }),
  );
  const head = await s3.send(new HeadObjectCommand({ ...copy, ChecksumMode: 'ENABLED' }));
  for (const answer of [CopyObjectResult, head]) {
    expect(checksumOf(answer)).toEqual(['SHA256', OF_TEXT.get('SHA256')]);
    expect(answer.ChecksumType).toBe('FULL_OBJECT');
  }
});
