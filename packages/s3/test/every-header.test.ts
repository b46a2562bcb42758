/** Headers and parameters with every operation that has them, where the tests of each operation do not use them all. */
import { createHash, createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DOCUMENTS } from './bucket-documents.ts';
import { type RawAnswer, send, succeed } from './raw-client.ts';
import {
  ACCESS_KEY,
  OWNER_ID,
  SECRET_KEY,
  startTestServer,
  type TestServer,
} from './test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ bucketAcls: true, isNotificationTarget: () => true });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

type Headers = Readonly<Record<string, string>>;

const done = (
  method: string,
  path: string,
  headers?: Readonly<Record<string, string>>,
  body?: string,
): Promise<RawAnswer> => succeed(server, method, path, headers, body);

const md5 = (text: string): string => createHash('md5').update(text).digest('base64');
const GROUP = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"';
/** What describes an object, in the headers that write it. */
const DESCRIPTION: Headers = {
  'cache-control': 'max-age=60',
  'content-disposition': 'attachment; filename="a.txt"',
  'content-encoding': 'x-own',
  'content-language': 'de',
  'content-type': 'text/x-own',
  expires: 'Thu, 01 Jan 2099 00:00:00 GMT',
  'x-amz-meta-color': 'blue',
  'x-amz-storage-class': 'STANDARD_IA',
  'x-amz-website-redirect-location': '/elsewhere',
};
const KMS: Headers = {
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-aws-kms-key-id': 'one',
  'x-amz-server-side-encryption-bucket-key-enabled': 'true',
};
const LOCK: Headers = {
  'x-amz-object-lock-mode': 'GOVERNANCE',
  'x-amz-object-lock-retain-until-date': '2099-01-01T00:00:00.000Z',
  'x-amz-object-lock-legal-hold': 'ON',
};

/** Uploads the nine digits as one part, with headers for the beginning, the part and the end. */
async function uploaded(
  path: string,
  begin: Headers,
  part: Headers = {},
  end: Headers = {},
  listed: string = '',
): Promise<RawAnswer> {
  const { element } = await done('POST', `${path}?uploads`, begin);
  const upload = `${path}?uploadId=${element('UploadId')}`;
  const { headers } = await done('PUT', `${upload}&partNumber=1`, part, '123456789');
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${headers.etag}</ETag>${listed}</Part></CompleteMultipartUpload>`;
  return send(server, { method: 'POST', path: upload, headers: end, body });
}

test('what describes, encrypts and locks an object is the same from a put, a copy and a multipart upload', async () => {
  await done('PUT', '/described', { 'x-amz-bucket-object-lock-enabled': 'true' });
  const written = { ...DESCRIPTION, ...KMS, ...LOCK };
  await done('PUT', '/described/plain', {}, 'text');
  await done('PUT', '/described/put', written, 'text');
  const copy = { 'x-amz-copy-source': '/described/plain', 'x-amz-metadata-directive': 'REPLACE' };
  await done('PUT', '/described/copy', { ...written, ...copy });
  expect((await uploaded('/described/multipart', written)).status).toBe(200);
  for (const key of ['put', 'copy', 'multipart']) {
    for (const method of ['HEAD', 'GET']) {
      const { headers } = await done(method, `/described/${key}`);
      expect([key, headers]).toEqual([key, expect.objectContaining(written)]);
    }
  }
});

test('every header of an answer that describes an object can be asked for otherwise, by GET and by HEAD', async () => {
  await done('PUT', '/overridden');
  await done('PUT', '/overridden/key', DESCRIPTION, 'text');
  const wanted = {
    'cache-control': 'no-store',
    'content-disposition': 'inline',
    'content-encoding': 'y-own',
    'content-language': 'fr',
    'content-type': 'text/y-own',
    expires: 'Fri, 01 Jan 2100 00:00:00 GMT',
  };
  const query = Object.entries(wanted)
    .map(([name, value]) => `response-${name}=${encodeURIComponent(value)}`)
    .join('&');
  for (const method of ['GET', 'HEAD']) {
    const { headers } = await done(method, `/overridden/key?${query}`);
    expect(headers).toMatchObject(wanted);
  }
});

const GRANTS: Headers = {
  'x-amz-grant-full-control': `id=${OWNER_ID}`,
  'x-amz-grant-read': GROUP,
  'x-amz-grant-read-acp': GROUP,
  'x-amz-grant-write-acp': GROUP,
};

test('grants in headers come with every operation that writes an ACL', async () => {
  const write = { 'x-amz-grant-write': GROUP };
  await done('PUT', '/granted', { ...GRANTS, ...write, 'x-amz-object-ownership': 'ObjectWriter' });
  await done('PUT', '/granted/put', GRANTS, 'text');
  await done('PUT', '/granted/copy', { ...GRANTS, 'x-amz-copy-source': '/granted/put' });
  expect((await uploaded('/granted/multipart', GRANTS)).status).toBe(200);
  await done('PUT', '/granted/acl', {}, 'text');
  await done('PUT', '/granted/acl?acl', { ...GRANTS, ...write });
  await done('PUT', '/granted-later', { 'x-amz-object-ownership': 'BucketOwnerPreferred' });
  await done('PUT', '/granted-later?acl', { 'x-amz-acl': 'public-read' });
  await done('PUT', '/granted-later?acl', { ...GRANTS, ...write });
  for (const path of ['', '/put', '/copy', '/multipart', '/acl']
    .map((key) => `/granted${key}`)
    .concat('/granted-later')) {
    const { body } = await done('GET', `${path}?acl`);
    const permissions = [...body.matchAll(/<Permission>([A-Z_]+)/g)].map(([, each]) => each);
    expect([path, permissions]).toEqual([
      path,
      expect.arrayContaining(['FULL_CONTROL', 'READ', 'READ_ACP', 'WRITE_ACP']),
    ]);
  }
});

const EARLY = 'Thu, 01 Jan 2015 00:00:00 GMT';
const LATE = 'Thu, 01 Jan 2099 00:00:00 GMT';

/** Fails unless the conditions of the request are told not to hold. */
/** For the last of `headers`, which the answer names. */
async function refused(method: string, path: string, headers: Headers): Promise<void> {
  const answer = await send(server, { method, path, headers });
  const found = [answer.status, answer.element('Condition')?.toLowerCase()];
  expect([path, headers, ...found]).toEqual([path, headers, 412, Object.keys(headers).at(-1)]);
}

test('conditions hold for source and destination of copies, parts and completions', async () => {
  await done('PUT', '/conditions');
  const { headers } = await done('PUT', '/conditions/source', {}, 'text');
  const etag = headers.etag ?? '';
  const source = { 'x-amz-copy-source': '/conditions/source' };
  const { element } = await done('POST', '/conditions/parts?uploads');
  const part = `/conditions/parts?partNumber=1&uploadId=${element('UploadId')}`;
  for (const path of ['/conditions/copy', part]) {
    const is = (name: string, value: string): Headers => ({
      ...source,
      [`x-amz-copy-source-if-${name}`]: value,
    });
    await done('PUT', path, { ...is('match', etag), ...is('unmodified-since', LATE) });
    await done('PUT', path, { ...is('none-match', '"other"'), ...is('modified-since', EARLY) });
    await refused('PUT', path, is('match', '"other"'));
    await refused('PUT', path, is('none-match', etag));
    await refused('PUT', path, is('modified-since', new Date(server.clock.nowMs()).toUTCString()));
    await refused('PUT', path, is('unmodified-since', EARLY));
  }
  await done('PUT', '/conditions/copy', { ...source, 'if-match': etag });
  await refused('PUT', '/conditions/copy', { ...source, 'if-match': '"other"' });
  const made = await uploaded('/conditions/new', {}, {}, { 'if-none-match': '*' });
  expect(made.status).toBe(200);
  const { headers: there } = await done('HEAD', '/conditions/new');
  for (const [name, value, status] of [
    ['if-none-match', '*', 412],
    ['if-match', '"other"', 412],
    ['if-match', there.etag ?? '', 200],
  ] as const) {
    const again = await uploaded('/conditions/new', {}, {}, { [name]: value });
    expect([name, again.status]).toEqual([name, status]);
  }
});

test('conditions hold for source and destination of renames, and for deletes', async () => {
  await done('PUT', '/renames');
  const { headers } = await done('PUT', '/renames/source', {}, 'text');
  const etag = headers.etag ?? '';
  await done('PUT', '/renames/copy', {}, 'other');
  const rename = { 'x-amz-rename-source': 'source' };
  await refused('PUT', '/renames/copy?renameObject', { ...rename, 'if-match': '"other"' });
  const from = (name: string, value: string): Headers => ({
    [`x-amz-rename-source-if-${name}`]: value,
  });
  await refused('PUT', '/renames/renamed?renameObject', {
    ...rename,
    ...from('match', '"other"'),
  });
  await done('PUT', '/renames/renamed?renameObject', {
    ...rename,
    ...from('match', etag),
    ...from('unmodified-since', LATE),
    'if-none-match': '*',
  });
  const back = {
    'x-amz-rename-source': 'renamed',
    ...from('none-match', '"other"'),
    ...from('modified-since', EARLY),
  };
  await done('PUT', '/renames/source', {}, 'text');
  await done('PUT', '/renames/source?renameObject', {
    ...back,
    'if-match': etag,
    'if-unmodified-since': LATE,
  });
  await done('PUT', '/renames/renamed', {}, 'text');
  await done('PUT', '/renames/source?renameObject', {
    ...back,
    'if-none-match': '"other"',
    'if-modified-since': EARLY,
  });
  const { headers: last } = await done('HEAD', '/renames/source');
  await refused('DELETE', '/renames/source', { 'x-amz-if-match-size': '5' });
  await refused('DELETE', '/renames/source', { 'x-amz-if-match-last-modified-time': EARLY });
  await done('DELETE', '/renames/source', {
    'x-amz-if-match-size': '4',
    'x-amz-if-match-last-modified-time': last['last-modified'] ?? '',
  });
});

test('a version is named to every operation of an object that has versions', async () => {
  await done('PUT', '/versions', { 'x-amz-bucket-object-lock-enabled': 'true' });
  const put = await done('PUT', '/versions/key', {}, 'first');
  const id = String(put.headers['x-amz-version-id']);
  await done('PUT', '/versions/key', {}, 'second');
  for (const [name, document] of [
    ['acl', DOCUMENTS['acl']],
    ['tagging', DOCUMENTS['tagging']],
    ['legal-hold', '<LegalHold><Status>ON</Status></LegalHold>'],
    [
      'retention',
      '<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>',
    ],
  ]) {
    await done(
      'PUT',
      `/versions/key?${name}&versionId=${id}`,
      { 'content-md5': md5(document ?? '') },
      document,
    );
    await done('GET', `/versions/key?${name}&versionId=${id}`);
  }
  const asked = { 'x-amz-object-attributes': 'ObjectSize' };
  const attributes = await done('GET', `/versions/key?attributes&versionId=${id}`, asked);
  expect([attributes.element('ObjectSize'), attributes.headers['x-amz-version-id']]).toEqual([
    '5',
    id,
  ]);
  const source = {
    'x-amz-copy-source': `/versions/key?versionId=${id}`,
    'x-amz-source-expected-bucket-owner': OWNER_ID,
  };
  const { element } = await done('POST', '/versions/parts?uploads');
  const part = await done(
    'PUT',
    `/versions/parts?partNumber=1&uploadId=${element('UploadId')}`,
    source,
  );
  expect(part.headers['x-amz-copy-source-version-id']).toBe(id);
  const page = await done('GET', '/versions?versions&prefix=k&encoding-type=url&max-keys=1');
  const marker = page.element('NextVersionIdMarker');
  const rest = await done('GET', `/versions?versions&key-marker=key&version-id-marker=${marker}`);
  expect(rest.element('VersionId')).toBe(id);
  const path = '/versions?versions&key-marker=key&version-id-marker=';
  const empty = await send(server, { method: 'GET', path });
  expect([empty.status, empty.code]).toEqual([400, 'InvalidArgument']);
  const uploads = await done('GET', '/versions?uploads&encoding-type=url&prefix=p');
  expect(uploads.element('Key')).toBe('parts');
  const marked = await done('DELETE', '/versions/key');
  expect(marked.headers['x-amz-delete-marker']).toBe('true');
  for (const method of ['GET', 'HEAD']) {
    const gone = await send(server, { method, path: '/versions/key' });
    expect([gone.status, gone.headers['x-amz-delete-marker']]).toEqual([404, 'true']);
  }
  const nothing = await send(server, {
    method: 'GET',
    path: '/versions/key?attributes',
    headers: asked,
  });
  expect([nothing.status, nothing.headers['x-amz-delete-marker']]).toEqual([404, 'true']);
});

/** Of the nine digits; CRCs are of the whole, the others of the one part. */
const WHOLE: readonly (readonly [algorithm: string, value: string])[] = [
  ['crc32', 'y/Q5Jg=='],
  ['crc32c', '4waSgw=='],
];

test.each(WHOLE)(
  '%s of the whole object is checked by Complete, and so is its size',
  async (algorithm, value) => {
    await done('PUT', `/completed-${algorithm}`);
    const path = `/completed-${algorithm}/key`;
    const name = `x-amz-checksum-${algorithm}`;
    const begin = {
      'x-amz-checksum-algorithm': algorithm.toUpperCase(),
      'x-amz-checksum-type': 'FULL_OBJECT',
    };
    const last = {
      [name]: value,
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-mp-object-size': '9',
    };
    expect((await uploaded(path, begin, { [name]: value }, last)).status).toBe(200);
    const shorter = await uploaded(path, begin, {}, { ...last, 'x-amz-mp-object-size': '8' });
    expect([shorter.status, shorter.code]).toEqual([400, 'InvalidRequest']);
    const head = await done('HEAD', path, { 'x-amz-checksum-mode': 'ENABLED' });
    expect(head.headers[name]).toBe(value);
    const copy = { 'x-amz-copy-source': path, 'x-amz-checksum-algorithm': 'SHA256' };
    expect((await done('PUT', `${path}-2`, copy)).element('ChecksumSHA256')).toMatch(/=$/);
  },
);

test.each(['sha1', 'sha256', 'sha512', 'md5', 'xxhash64', 'xxhash3', 'xxhash128'])(
  '%s: Complete takes the composite of the parts',
  async (algorithm) => {
    await done('PUT', `/composite-${algorithm}`);
    const path = `/composite-${algorithm}/key`;
    const begin = { 'x-amz-checksum-algorithm': algorithm.toUpperCase() };
    const element = `Checksum${algorithm.toUpperCase()}`;
    const name = `x-amz-checksum-${algorithm}`;
    await done('PUT', path, {}, '123456789');
    const copy = { 'x-amz-copy-source': path, ...begin };
    const sum = (await done('PUT', `${path}-2`, copy)).element(element) ?? '';
    const upload = (end: Headers) =>
      uploaded(path, begin, { [name]: sum }, end, `<${element}>${sum}</${element}>`);
    const value = (await upload({})).element(element) ?? '';
    const wrong = value.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));
    const answers = await Promise.all([value, wrong].map((whole) => upload({ [name]: whole })));
    expect(answers.map(({ status, code }) => [status, code])).toEqual([
      [200, undefined],
      [400, 'BadDigest'],
    ]);
  },
);

test('keys of customers and of the server come with every operation of an upload', async () => {
  await done('PUT', '/keys');
  const key = Buffer.alloc(32, 7);
  const customer = {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key.toString('base64'),
    'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(key).digest('base64'),
  };
  const { element } = await done('POST', '/keys/customer?uploads', customer);
  await done('GET', `/keys/customer?uploadId=${element('UploadId')}`, customer);
  await done('PUT', '/keys/source', {}, 'text');
  const begun = await done('POST', '/keys/named?uploads', KMS);
  const upload = `/keys/named?uploadId=${begun.element('UploadId')}`;
  const source = { 'x-amz-copy-source': '/keys/source' };
  const copied = await done('PUT', `${upload}&partNumber=2`, source);
  const part = await done('PUT', `${upload}&partNumber=1`, {}, 'text');
  const document = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
  const completed = await done('POST', upload, {}, document);
  for (const { headers } of [copied, part, completed]) {
    expect(headers['x-amz-server-side-encryption-bucket-key-enabled']).toBe('true');
  }
});

test('a header that promises what is not there is refused, and the others are ignored', async () => {
  await done('PUT', '/promises');
  for (const name of [
    'x-amz-object-lock-event-hold',
    'x-amz-object-lock-event-hold-duration-days',
    'x-amz-object-lock-event-hold-duration-years',
    'x-amz-server-side-encryption-context',
    'x-amz-write-offset-bytes',
  ]) {
    const headers = { ...(name.includes('encryption') && KMS), [name]: '1' };
    for (const more of [{}, { 'x-amz-copy-source': '/promises/key' }]) {
      const path = '/promises/key';
      const answer = await send(server, {
        method: 'PUT',
        path,
        headers: { ...headers, ...more },
        body: '',
      });
      expect([name, answer.status, answer.code]).toEqual([name, 501, 'NotImplemented']);
    }
  }
  const namespace = { 'x-amz-bucket-namespace': 'account-regional' };
  const bucket = await send(server, { method: 'PUT', path: '/promises-2', headers: namespace });
  expect([bucket.status, bucket.code]).toEqual([501, 'NotImplemented']);
  const { element } = await done('POST', '/promises/key?uploads');
  const abort = await send(server, {
    method: 'DELETE',
    path: `/promises/key?uploadId=${element('UploadId')}`,
    headers: { 'x-amz-if-match-initiated-time': EARLY },
  });
  expect([abort.status, abort.code]).toEqual([501, 'NotImplemented']);
  for (const name of ['x-amz-request-payer', 'x-amz-mfa', 'x-amz-optional-object-attributes']) {
    await done('GET', '/promises', { [name]: 'requester' });
  }
  for (const name of ['Annotation', 'Inventory', 'Journal']) {
    const path = `/promises?metadata${name}Table`;
    const table = await send(server, { method: 'PUT', path, body: '<a/>' });
    expect([table.status, table.message]).toEqual([
      501,
      `UpdateBucketMetadata${name}TableConfiguration is not implemented`,
    ]);
  }
});

test('a CORS rule tells what is exposed, and how long its preflight counts', async () => {
  await done('PUT', '/exposed');
  const rule =
    '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://app.example</AllowedOrigin><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>30</MaxAgeSeconds></CORSRule></CORSConfiguration>';
  await done('PUT', '/exposed?cors', { 'content-md5': md5(rule) }, rule);
  const asked = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
  const told = {
    'access-control-allow-origin': 'https://app.example',
    'access-control-expose-headers': 'ETag',
    'access-control-max-age': '30',
  };
  expect((await done('OPTIONS', '/exposed/key', asked)).headers).toMatchObject(told);
  const { headers } = await done('GET', '/exposed', { origin: 'https://app.example' });
  expect(headers).toMatchObject({ 'access-control-expose-headers': 'ETag' });
});

test('a policy may ask where a request comes from, and by which program it is sent', async () => {
  await done('PUT', '/from');
  await done('PUT', '/from/key', {}, 'text');
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::from/*',
        Condition: {
          StringNotLike: { 'aws:Referer': 'https://app.example/*', 'aws:UserAgent': 'nothing' },
        },
      },
    ],
  });
  await done('PUT', '/from?policy', { 'content-md5': md5(policy) }, policy);
  const get = (headers: Headers) =>
    send(server, {
      method: 'GET',
      path: '/from/key',
      headers: { 'user-agent': 'test', ...headers },
    });
  expect((await get({})).status).toBe(403);
  expect((await get({ referer: 'https://app.example/page' })).status).toBe(200);
  expect((await get({ 'user-agent': 'nothing' })).status).toBe(200);
});

test('the time of a request with Version 2 is in Date', async () => {
  const date = new Date(server.clock.nowMs()).toUTCString();
  const amz = `x-amz-content-sha256:${createHash('sha256').digest('hex')}`;
  const text = `GET\n\n\n${date}\n${amz}\n/`;
  const signature = createHmac('sha1', SECRET_KEY).update(text).digest('base64');
  const headers = { date, authorization: `AWS ${ACCESS_KEY}:${signature}` };
  const answer = await send(server, { method: 'GET', path: '/', headers, anonymous: true });
  expect(answer.status).toBe(200);
});
