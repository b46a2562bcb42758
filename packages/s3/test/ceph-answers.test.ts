/** Where a server that answers as Ceph's gateway answers otherwise: each beside what it answers as AWS. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RawAnswer, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

type Headers = Readonly<Record<string, string>>;
/** Signed, but for what is signed in its path. */
type Ask = (method: string, path: string, headers?: Headers, body?: string) => Promise<RawAnswer>;

const CUSTOMER = 'x-amz-server-side-encryption-customer';
const ANOTHER_KEY =
  'Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.';
const keyOf = (byte: number): Headers => {
  const key = Buffer.alloc(32, byte);
  return {
    [`${CUSTOMER}-algorithm`]: 'AES256',
    [`${CUSTOMER}-key`]: key.toString('base64'),
    [`${CUSTOMER}-key-md5`]: createHash('md5').update(key).digest('base64'),
  };
};
const withKey = keyOf(7);
const SUMMED = { 'x-amz-checksum-sha256': createHash('sha256').update('one').digest('base64') };
const SHA256 = { 'x-amz-checksum-algorithm': 'SHA256' };
let aws: TestServer;
let ceph: TestServer;

beforeAll(async () => {
  aws = await startTestServer();
  ceph = await startTestServer({ answersAsCeph: true });
  for (const server of [aws, ceph]) {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' };
    await send(server, { method: 'PUT', path: '/locked', headers });
    await send(server, { method: 'PUT', path: '/bucket' });
    const put = await send(server, { method: 'PUT', path: '/bucket/key', body: 'x' });
    expect(put.status).toBe(200);
  }
});
afterAll(async () => {
  await aws[Symbol.asyncDispose]();
  await ceph[Symbol.asyncDispose]();
});

/** An upload of one part, completed without anything but its list of parts. */
async function upload(
  ask: Ask,
  name: string,
  first: Headers,
  each: Headers,
  last: Headers = {},
  sumsAre: 'listed' | 'unlisted' = 'listed',
): Promise<RawAnswer> {
  const begun = await ask('POST', `/bucket/${name}?uploads`, first);
  const id = `uploadId=${begun.element('UploadId')}`;
  const part = await ask('PUT', `/bucket/${name}?partNumber=1&${id}`, each, 'one');
  const sum = part.headers['x-amz-checksum-sha256'];
  const sums =
    sum === undefined || sumsAre === 'unlisted' ? '' : `<ChecksumSHA256>${sum}</ChecksumSHA256>`;
  const list = `<Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag>${sums}</Part>`;
  const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
  return await ask('POST', `/bucket/${name}?${id}`, last, body);
}

const elevenTags = Array.from({ length: 11 }, (_, at) => `<Tag><Key>${at}</Key><Value/></Tag>`);
const statement = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:PutObject',
  Resource: 'arn:aws:s3:::bucket',
};

test.each<[string, (ask: Ask) => Promise<readonly unknown[]>, unknown[], unknown[]]>([
  [
    'a part that is not there',
    async (ask) => {
      const { status, code } = await ask('GET', '/bucket/key?partNumber=2');
      return [status, code, (await ask('HEAD', '/bucket/key?partNumber=2')).status];
    },
    [416, 'InvalidPartNumber', 416],
    [400, 'InvalidPart', 400],
  ],
  [
    'too many tags',
    async (ask) => {
      const body = `<Tagging><TagSet>${elevenTags.join('')}</TagSet></Tagging>`;
      const { status, code, message } = await ask('PUT', '/bucket/key?tagging', {}, body);
      return [status, code, message];
    },
    [400, 'BadRequest', 'Object tags cannot be greater than 10'],
    [400, 'InvalidTag', 'Object tags cannot be greater than 10'],
  ],
  [
    'a checksum that is none',
    async (ask) => {
      const name = 'x-amz-checksum-sha256';
      const { status, code, message } = await ask('PUT', '/bucket/none', { [name]: 'bad' }, 'x');
      return [status, code, message];
    },
    [400, 'InvalidRequest', 'Value for x-amz-checksum-sha256 header is invalid.'],
    [400, 'BadDigest', 'Value for x-amz-checksum-sha256 header is invalid.'],
  ],
  [
    'a write under a condition that AWS does not have',
    async (ask) => {
      const put = (headers: Headers) => ask('PUT', '/bucket/conditional', headers, 'x');
      const copy = { 'x-amz-copy-source': 'bucket/key' };
      const answers: RawAnswer[] = [
        await put({ 'if-none-match': '"other"' }),
        await put({ 'if-match': '*' }),
        await ask('PUT', '/bucket/conditional', { ...copy, 'if-match': '*' }),
        await upload(ask, 'conditional', {}, {}, { 'if-none-match': '"other"' }),
      ];
      const both = await put({ 'if-match': '"other"', 'if-none-match': '*' });
      return [...answers, both].map(({ status }) => status);
    },
    [501, 501, 501, 501, 501],
    [200, 200, 200, 200, 412],
  ],
  [
    'an object under the key of a customer, read with another',
    async (ask) => {
      await ask('PUT', '/bucket/sealed', withKey, 'x');
      const { status, code, message } = await ask('GET', '/bucket/sealed', keyOf(8));
      return [status, code, message];
    },
    [403, 'AccessDenied', ANOTHER_KEY],
    [400, 'InvalidRequest', ANOTHER_KEY],
  ],
  [
    'a composite upload whose parts are listed without their checksums',
    async (ask) => {
      const { status, code, message } = await upload(ask, 'sums', SHA256, SUMMED, {}, 'unlisted');
      return [status, code, message];
    },
    [
      400,
      'InvalidRequest',
      'The upload was created using a sha256 checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.',
    ],
    [200, undefined, undefined],
  ],
  [
    'a part without a checksum, of a composite upload',
    async (ask) => {
      const begun = await ask('POST', '/bucket/sums?uploads', SHA256);
      const path = `/bucket/sums?partNumber=1&uploadId=${begun.element('UploadId')}`;
      const { status, code, message } = await ask('PUT', path, {}, 'one');
      return [status, code, message];
    },
    [
      400,
      'InvalidRequest',
      'Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null',
    ],
    [200, undefined, undefined],
  ],
  [
    'checksums of parts, of an upload that named no algorithm',
    async (ask) => {
      const { status, code } = await upload(ask, 'sums', {}, SUMMED);
      return [status, code];
    },
    [400, 'InvalidPart'],
    [200, undefined],
  ],
  [
    'the checksum of the whole object, without its type',
    async (ask) => {
      const first = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' };
      const last = { 'x-amz-checksum-crc32': 'emyG8Q==' };
      const { status, code } = await upload(ask, 'sums', first, {}, last);
      return [status, code];
    },
    [400, 'BadDigest'],
    [200, undefined],
  ],
  [
    'a retention of no days',
    async (ask) => {
      const rule =
        '<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>0</Days></DefaultRetention></Rule>';
      const body = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
      const { status, code } = await ask('PUT', '/locked?object-lock', {}, body);
      return [status, code];
    },
    [400, 'InvalidArgument'],
    [400, 'InvalidRetentionPeriod'],
  ],
  [
    'a delete by ETag of what is not there',
    async (ask) => [(await ask('DELETE', '/bucket/none', { 'if-match': '"x"' })).status],
    [404],
    [204],
  ],
  [
    'a policy with an action that none of its resources is of the kind of',
    async (ask) => {
      const body = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
      return [(await ask('PUT', '/bucket?policy', {}, body)).status];
    },
    [400],
    [204],
  ],
  [
    'the prefix of a listing whose keys are encoded',
    async (ask) => {
      const page = await ask('GET', '/bucket?prefix=a%2F%C3%A9%2B&encoding-type=url');
      return [page.element('Prefix')];
    },
    ['a/%C3%A9%2B'],
    ['a/é+'],
  ],
  [
    'a composite checksum among the attributes',
    async (ask) => {
      expect((await upload(ask, 'composite', SHA256, SUMMED)).status).toBe(200);
      const headers = { 'x-amz-object-attributes': 'Checksum' };
      const shown = await ask('GET', '/bucket/composite?attributes', headers);
      return [shown.element('ChecksumSHA256')?.replace(/^.*=/, '=')];
    },
    ['='],
    ['=-1'],
  ],
  [
    'the parts of an object without composite checksums',
    async (ask) => {
      expect((await upload(ask, 'parts', {}, {})).status).toBe(200);
      const headers = { 'x-amz-object-attributes': 'ObjectParts' };
      const { body } = await ask('GET', '/bucket/parts?attributes', headers);
      return [/<ObjectParts>(<\w+>).*<\/ObjectParts>/.exec(body)?.[1], body.includes('<Size>3')];
    },
    ['<PartsCount>', false],
    ['<PartsCount>', true],
  ],
  [
    'an upload that is completed without a list of parts',
    async (ask) => {
      const begun = await ask('POST', '/bucket/empty?uploads');
      const path = `/bucket/empty?uploadId=${begun.element('UploadId')}`;
      const { status, code, message } = await ask('POST', path);
      return [status, code, message, (await ask('POST', '/bucket/empty?uploadId=x')).code];
    },
    [400, 'InvalidRequest', 'You must specify at least one part', 'NoSuchUpload'],
    [400, 'MalformedXML', 'You must specify at least one part', 'NoSuchUpload'],
  ],
  [
    'whether a bucket without a policy is public',
    async (ask) => {
      const { status, code, element } = await ask('GET', '/locked?policyStatus');
      return [status, code, element('IsPublic')];
    },
    [404, 'NoSuchBucketPolicy', undefined],
    [200, undefined, 'false'],
  ],
  [
    'a signed URL that is good for more than a week, or for less than nothing',
    async (ask) => {
      const scope = 'X-Amz-Credential=a%2F20260101%2Fus-east-1%2Fs3%2Faws4_request';
      const signed = `X-Amz-Algorithm=AWS4-HMAC-SHA256&${scope}&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=b`;
      const path = (seconds: number) => `/bucket/key?${signed}&X-Amz-Expires=${seconds}`;
      const [long, past] = [await ask('GET', path(604_801)), await ask('GET', path(-1))];
      return [long.status, long.code, past.status, past.code];
    },
    [400, 'AuthorizationQueryParametersError', 400, 'AuthorizationQueryParametersError'],
    [403, 'AccessDenied', 403, 'AccessDenied'],
  ],
  [
    'a listing from an empty token, and from a token and a name',
    async (ask) => {
      const list = async (query: string) => await ask('GET', `/bucket?list-type=2&${query}`);
      const empty = await list('continuation-token=');
      const token = (await list('max-keys=1')).element('NextContinuationToken');
      const { status, element } = await list(`continuation-token=${token}&start-after=a`);
      return [empty.status, empty.code, status, element('StartAfter')];
    },
    [400, 'InvalidArgument', 200, undefined],
    [200, undefined, 200, 'a'],
  ],
  [
    'the copy of a part that its source does not have',
    async (ask) => {
      const begun = await ask('POST', '/bucket/copied?uploads');
      const id = `uploadId=${begun.element('UploadId')}`;
      const headers = (range: string) => ({
        'x-amz-copy-source': 'bucket/key',
        'x-amz-copy-source-range': range,
      });
      const copy = (range: string) =>
        ask('PUT', `/bucket/copied?partNumber=1&${id}`, headers(range));
      const [beyond, behind] = [await copy('bytes=0-9'), await copy('bytes=8-9')];
      return [beyond.status, beyond.code, behind.status, behind.code];
    },
    [400, 'InvalidArgument', 400, 'InvalidRequest'],
    [416, 'InvalidRange', 416, 'InvalidRange'],
  ],
  [
    'an upload under the key of a customer, completed without it',
    async (ask) => [(await upload(ask, 'sealed', withKey, withKey)).status],
    [200],
    [400],
  ],
])('%s', async (_name, answers, asAws, asCeph) => {
  const askOf =
    (server: TestServer): Ask =>
    (method, path, headers = {}, body = '') =>
      send(server, {
        method,
        path,
        headers,
        anonymous: path.includes('X-Amz-'),
        ...(body !== '' && { body }),
      });
  expect([await answers(askOf(aws)), await answers(askOf(ceph))]).toEqual([asAws, asCeph]);
});
