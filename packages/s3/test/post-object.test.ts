import { createHmac } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FormReader } from '../src/form/form-reader.ts';
import { taggingHeader } from '../src/form/form-tagging.ts';
import { ACCESS_KEY, SECRET_KEY, startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let client: S3Client;

beforeAll(async () => {
  server = await startTestServer({ bucketAcls: true });
  client = server.client();
  await client.send(new CreateBucketCommand({ Bucket: 'forms' }));
  await client.send(new CreateBucketCommand({ Bucket: 'open', ACL: 'public-read-write' }));
});
afterAll(() => server[Symbol.asyncDispose]());

type Fields = Readonly<Record<string, string>>;

async function post(
  bucket: string,
  fields: Fields,
  file: string | undefined = 'content',
  target: TestServer = server,
): Promise<{ status: number; headers: Headers; text: string }> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  if (file !== undefined) form.append('file', new Blob([file]), 'dir/name.txt');
  const options = { method: 'POST', body: form, redirect: 'manual' } as const;
  const answer = await fetch(`${target.endpoint}/${bucket}`, options);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

const CONDITIONS: readonly unknown[] = [
  { bucket: 'forms' },
  ['starts-with', '$key', 'up/'],
  ['starts-with', '$Content-Type', 'text/'],
  ['content-length-range', 2, 20],
];

const TYPE: readonly unknown[] = [['starts-with', '$Content-Type', '']];

function policyText(conditions: readonly unknown[] = CONDITIONS, change: object = {}): string {
  const expiration = new Date(server.clock.nowMs() + 60_000).toISOString();
  return Buffer.from(JSON.stringify({ expiration, conditions, ...change })).toString('base64');
}

/** The fields of a form, signed with Version 2. */
function signed(policy: string, fields: Fields = {}, secret: string = SECRET_KEY): Fields {
  return {
    key: 'up/a',
    'Content-Type': 'text/plain',
    AWSAccessKeyId: ACCESS_KEY,
    policy,
    signature: createHmac('sha1', secret).update(policy).digest('base64'),
    ...fields,
  };
}

/** The same with Version 4. */
function signedV4(fields: Fields = {}): Fields {
  const date = new Date(server.clock.nowMs()).toISOString().replace(/[-:]|\.\d+/g, '');
  const day = date.slice(0, 8);
  const credential = `${ACCESS_KEY}/${day}/us-east-1/s3/aws4_request`;
  const amz = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': credential,
    'x-amz-date': date,
  };
  const exact = Object.entries(amz).map(([name, value]) => ({ [name]: value }));
  const policy = policyText([...CONDITIONS, ...exact]);
  let key: string | Buffer = `AWS4${SECRET_KEY}`;
  for (const part of [day, 'us-east-1', 's3', 'aws4_request', policy]) {
    key = createHmac('sha256', key).update(part).digest();
  }
  return {
    key: 'up/v4',
    'Content-Type': 'text/plain',
    policy,
    ...amz,
    'x-amz-signature': (key as Buffer).toString('hex'),
    ...fields,
  };
}

const stored = async (Bucket: string, Key: string): Promise<string | undefined> =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();

test('a form that is signed, with either version, is stored', async () => {
  expect((await post('forms', signed(policyText()))).status).toBe(204);
  expect(await stored('forms', 'up/a')).toBe('content');
  expect((await post('forms', signedV4())).status).toBe(204);
  expect(await stored('forms', 'up/v4')).toBe('content');
});

test('fields become headers of the object, and its key may have the name of the file', async () => {
  const conditions = [...CONDITIONS, ['eq', '$x-amz-meta-colour', 'blü'], ['eq', '$Expires', 'E']];
  const fields = { key: 'up/${filename}', 'x-amz-meta-colour': 'blü', Expires: 'E' };
  const answer = await post('forms', signed(policyText(conditions), fields));
  expect(answer.status).toBe(204);
  const head = await client.send(new HeadObjectCommand({ Bucket: 'forms', Key: 'up/name.txt' }));
  expect(head.ContentType).toBe('text/plain');
  expect(Buffer.from(head.Metadata?.['colour'] ?? '', 'latin1').toString()).toBe('blü');
});

test('the answer is as the form asks', async () => {
  const fields = { key: 'answers/1', acl: 'private' };
  const created = await post('open', { ...fields, success_action_status: '201' });
  expect(created.status).toBe(201);
  expect(created.text).toContain('<Bucket>open</Bucket><Key>answers/1</Key><ETag>&quot;');
  expect(created.headers.get('location')).toBe(`${server.endpoint}/open/answers%2F1`);
  expect((await post('open', { ...fields, success_action_status: '200' })).status).toBe(200);
  expect((await post('open', { ...fields, success_action_status: '404' })).status).toBe(204);
  const next = await post('open', { ...fields, success_action_redirect: 'http://h/p?q=1' });
  expect(next.status).toBe(303);
  expect(next.headers.get('location')).toBe(
    'http://h/p?q=1&bucket=open&key=answers%2F1&etag=%229a0364b9e99bb480dd25e1f0284c8555%22',
  );
  const bad = { ...fields, success_action_redirect: 'javascript:alert(1)' };
  expect((await post('open', bad)).status).toBe(204);
});

test('without a signature a form may do what anybody may', async () => {
  expect((await post('open', { key: 'anonymous' })).status).toBe(204);
  expect((await post('forms', { key: 'anonymous' })).status).toBe(403);
});

const expired = (): object => ({
  expiration: new Date(server.clock.nowMs() - 1000).toISOString(),
});

const REFUSED: readonly (readonly [string, () => Fields, string, number])[] = [
  [
    'a key that its policy does not allow',
    () => signed(policyText(), { key: 'b' }),
    'AccessDenied',
    403,
  ],
  [
    'a field that its policy does not name',
    () => signed(policyText(), { acl: 'private' }),
    'AccessDenied',
    403,
  ],
  [
    'another type',
    () => signed(policyText(), { 'Content-Type': 'image/png' }),
    'AccessDenied',
    403,
  ],
  ['an old policy', () => signed(policyText(CONDITIONS, expired())), 'AccessDenied', 403],
  [
    'another bucket',
    () => signed(policyText([{ bucket: 'other' }, ...CONDITIONS.slice(1)])),
    'AccessDenied',
    403,
  ],
  [
    'a policy that names no bucket, and so would be one for all',
    () => signed(policyText(CONDITIONS.slice(1)), { bucket: 'forms' }),
    'AccessDenied',
    403,
  ],
  ['a signature of another', () => signed(policyText(), {}, 'other'), 'SignatureDoesNotMatch', 403],
  [
    'an unknown key',
    () => signed(policyText(), { AWSAccessKeyId: 'NOBODY' }),
    'InvalidAccessKeyId',
    403,
  ],
  [
    'a changed Version 4 signature',
    () => signedV4({ 'x-amz-signature': '0'.repeat(64) }),
    'SignatureDoesNotMatch',
    403,
  ],
  [
    'a policy without a date',
    () => signed(policyText(CONDITIONS, { expiration: undefined })),
    'InvalidPolicyDocument',
    400,
  ],
  [
    'a policy without conditions',
    () => signed(policyText(CONDITIONS, { conditions: undefined })),
    'InvalidPolicyDocument',
    400,
  ],
  ['an empty condition', () => signed(policyText([{}])), 'InvalidPolicyDocument', 400],
  [
    'half a range',
    () => signed(policyText([['content-length-range', 0]])),
    'InvalidPolicyDocument',
    400,
  ],
  ['a policy that is none', () => signed('bm9uZQ=='), 'InvalidPolicyDocument', 400],
];

test.each(REFUSED)(
  'a form with %s is refused, and stores nothing',
  async (_name, fields, code, status) => {
    const Key = 'up/a';
    const put = await post('forms', signed(policyText()), 'before');
    expect(put.status).toBe(204);
    const answer = await post('forms', fields(), 'after');
    expect([answer.status, answer.text]).toEqual([
      status,
      expect.stringContaining(`<Code>${code}<`),
    ]);
    expect(await stored('forms', Key)).toBe('before');
  },
);

/** The fields of a signed form without these. */
function without(fields: Fields, ...names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

test.each<[string, () => Fields, string]>([
  ['no signature', () => without(signed(policyText()), 'signature'), 'Signature'],
  ['no access key', () => without(signed(policyText()), 'AWSAccessKeyId'), 'AWSAccessKeyId'],
  ['no Version 4 signature', () => without(signedV4(), 'x-amz-signature'), 'X-Amz-Signature'],
  [
    'neither algorithm nor credential',
    () => without(signedV4(), 'x-amz-algorithm', 'x-amz-credential'),
    'X-Amz-Algorithm',
  ],
  ['no credential', () => without(signedV4(), 'x-amz-credential'), 'X-Amz-Credential'],
  ['no date', () => without(signedV4(), 'x-amz-date'), 'X-Amz-Date'],
  ['no policy', () => without(signedV4(), 'policy'), 'policy'],
])(
  'a form that is half signed, with %s, is told which field it lacks',
  async (_name, fields, field) => {
    const { status, text } = await post('forms', fields());
    expect([status, text]).toEqual([400, expect.stringContaining('<Code>InvalidArgument</Code>')]);
    expect(text).toContain(`must contain a field named '${field}'.`);
    expect(text).toContain(`<ArgumentName>${field}</ArgumentName><ArgumentValue></ArgumentValue>`);
  },
);

test('a policy that nobody signed is that of nobody', async () => {
  const { status, text } = await post('forms', { key: 'up/a', policy: policyText() });
  expect([status, text]).toEqual([403, expect.stringContaining('<Message>Access Denied<')]);
});

test.each([
  ['x-amz-algorithm', 'AWS4-HMAC-SHA1', 'Only AWS4-HMAC-SHA256 is supported', 'X-Amz-Algorithm'],
  ['x-amz-credential', 'x', 'the Credential is mal-formed', 'X-Amz-Credential'],
  [
    'x-amz-credential',
    `${ACCESS_KEY}/20261124/eu-west-1/s3/aws4_request`,
    "the region 'eu-west-1' is wrong; expecting 'us-east-1'",
    'X-Amz-Credential',
  ],
  ['x-amz-date', 'today', 'X-Amz-Date must be in the ISO8601 Long Format', 'X-Amz-Date'],
  ['x-amz-date', '20000101T000000Z', 'Invalid credential date', 'X-Amz-Credential'],
])(
  'a form that is signed for something else, %s %s, is told so',
  async (field, value, why, name) => {
    const { status, text } = await post('forms', signedV4({ [field]: value }));
    expect([status, text]).toEqual([400, expect.stringContaining('<Code>InvalidArgument</Code>')]);
    expect(text).toContain(`<Message>${why}`);
    expect(text).toContain(`<ArgumentName>${name}</ArgumentName>`);
  },
);

test.each([
  ['a name with a space', 'x-amz-meta-a b', '1'],
  ['a name that is no ASCII', 'x-amz-meta-ü', '1'],
  ['a control character', 'x-amz-meta-a', 'a\u0001b'],
  ['a type with a control character', 'Content-Type', 'text/\u001f'],
])('a field that no header could say, with %s, is refused', async (_name, field, value) => {
  const fields = { key: 'said', acl: 'public-read' };
  expect((await post('open', fields, 'before')).status).toBe(204);
  const answer = await post('open', { ...fields, [field]: value }, 'after');
  expect(await stored('open', 'said')).toBe('before');
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('InvalidArgument')]);
});

test('a file is as long as the policy says', async () => {
  const short = await post('forms', signed(policyText(), { key: 'up/short' }), 'x');
  expect([short.status, short.text]).toEqual([400, expect.stringContaining('EntityTooSmall')]);
  const long = await post('forms', signed(policyText(), { key: 'up/long' }), 'x'.repeat(21));
  expect([long.status, long.text]).toEqual([400, expect.stringContaining('EntityTooLarge')]);
  for (const Key of ['up/short', 'up/long']) {
    await expect(stored('forms', Key)).rejects.toThrow('The specified key does not exist.');
  }
});

test('what is no form, or lacks a part, is refused', async () => {
  const missing = await post('open', {});
  expect([missing.status, missing.text]).toEqual([400, expect.stringContaining("named 'key'")]);
  const form = new FormData();
  form.append('key', 'k');
  const url = `${server.endpoint}/open`;
  expect((await fetch(url, { method: 'POST', body: form })).status).toBe(400);
  expect((await fetch(url, { method: 'POST', body: 'text' })).status).toBe(412);
  const headers = { 'Content-Type': 'multipart/form-data; boundary=b' };
  const cut =
    '--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n' +
    '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc';
  const answer = await fetch(url, { method: 'POST', headers, body: cut });
  expect(await answer.text()).toContain('<Code>MalformedPOSTRequest</Code>');
  const large = await post('open', { key: 'k', 'x-amz-meta-a': 'x'.repeat(30_000) });
  expect([large.status, large.text]).toEqual([
    400,
    expect.stringMatching(
      /<Code>MaxPostPreDataLengthExceeded<.*<MaxPostPreDataLengthBytes>20480</s,
    ),
  ]);
});

test('the condition that does not hold is named with its quotes as they are', async () => {
  const { text } = await post('forms', signed(policyText(), { key: 'b' }));
  expect(text).toContain('failed: ["starts-with", "$key", "up/"]</Message>');
});

test('a form in another encoding than UTF-8 is refused', async () => {
  const headers = { 'Content-Type': 'multipart/form-data; boundary=b' };
  const form = (key: string, file: string): Buffer =>
    Buffer.from(
      `--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n${key}\r\n` +
        `--b\r\nContent-Disposition: form-data; name="file"; filename="${file}"\r\n\r\nabc\r\n--b--\r\n`,
      'latin1',
    );
  for (const [body, status, code] of [
    [form('\xc3\xbc', 'f'), 204, ''],
    [form('\xfc', 'f'), 400, '<Code>InvalidArgument</Code>'],
    [form('${filename}', '\xc3\xbc'), 204, ''],
    [form('${filename}', '\xfc'), 400, '<Code>MalformedPOSTRequest</Code>'],
  ] as const) {
    const answer = await fetch(`${server.endpoint}/open`, { method: 'POST', headers, body });
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(code)]);
  }
});

test('the tags of a form are those of the header', () => {
  const tag = (Key: string, Value: string): string =>
    `<Tag><Key>${Key}</Key><Value>${Value}</Value></Tag>`;
  const text = `<Tagging><TagSet>${tag('a', '1')}${tag('b &amp; c', '=')}</TagSet></Tagging>`;
  expect(taggingHeader(text)).toBe('a=1&b%20%26%20c=%3D');
  expect(() => taggingHeader('a=1')).toThrow('not well-formed');
});

test('Version 2 can be switched off for forms too', async () => {
  await using strict = await startTestServer({ allowSignatureV2: false });
  await strict.client().send(new CreateBucketCommand({ Bucket: 'forms' }));
  const answer = await post('forms', signed(policyText()), 'content', strict);
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('AWS4-HMAC-SHA256')]);
});

test('a form is read the same in whatever pieces it comes', async () => {
  const text =
    'preamble\r\n--B\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n\r\n1\r\n--\r\n-' +
    '\r\n--B\r\ncontent-disposition: form-data; name=b\r\nContent-Type: t\r\n\r\n\r\n--B--\r\nafter';
  const bytes = Buffer.from(text);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (sizes) => {
      const source = (async function* () {
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          yield bytes.subarray(at, at + size);
          at += size;
        }
      })();
      const reader = new FormReader(source, 'B');
      const parts: unknown[] = [];
      for (let part = await reader.nextPart(); part !== undefined; part = await reader.nextPart()) {
        const pieces: Uint8Array[] = [];
        for await (const piece of reader.content()) pieces.push(piece);
        parts.push([part.name, part.filename, part.contentType, Buffer.concat(pieces).toString()]);
      }
      expect(parts).toEqual([
        ['a', 'x', undefined, '1\r\n--\r\n-'],
        ['b', undefined, 't', ''],
      ]);
    }),
  );
});

test('a policy may ask how a form was signed', async () => {
  const Bucket = 'judged-forms';
  await client.send(new CreateBucketCommand({ Bucket }));
  const form = signed(policyText([{ bucket: Bucket }, ['starts-with', '$key', ''], ...TYPE]));
  const about = { Principal: '*', Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/*` };
  for (const [StringEquals, status] of [
    [{ 's3:authType': 'REST-HEADER' }, 204],
    [{ 's3:authType': 'POST', 's3:signatureversion': 'AWS4-HMAC-SHA256' }, 204],
    [{ 's3:authType': 'POST', 's3:signatureversion': 'AWS' }, 403],
  ] as const) {
    const Statement = { Effect: 'Deny', ...about, Condition: { StringEquals } };
    await client.send(
      new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Statement }) }),
    );
    expect((await post(Bucket, form)).status).toBe(status);
  }
});
