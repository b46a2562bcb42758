import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { from } from './body/body-fixtures.ts';
import { send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await send(server, { method: 'PUT', path: '/bucket' });
  await send(server, { method: 'PUT', path: '/bucket/empty', body: '' });
  await send(server, {
    method: 'PUT',
    path: '/bucket/ten',
    body: '0123456789',
    headers: {
      'content-type': 'text/x-ten',
      'cache-control': 'no-store',
      'content-disposition': 'inline',
      'content-encoding': 'aws-chunked,gzip',
      'content-language': 'de',
      expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
      'x-amz-meta-colour': 'red',
      'x-amz-meta-__proto__': 'odd',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-website-redirect-location': '/other',
    },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  return send(server, { method, path, headers });
}

test('metadata that no header can say is left out and counted, and the bytes are read', async () => {
  await server.store.putObject({
    bucket: 'bucket',
    key: 'unsayable',
    body: { pieces: from([Buffer.from('bytes')]), sizeBytes: 5 },
    metadata: {
      user: { colour: 'red', line: 'a\nb', 'no name': 'x', wide: '\u{1F600}' },
      contentType: 'text/\u0000',
      cacheControl: 'no\r\nstore',
    },
  });
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, body } = await get('/bucket/unsayable', {}, method);
    expect([status, body]).toEqual([200, method === 'GET' ? 'bytes' : '']);
    expect(headers).toMatchObject({
      'x-amz-meta-colour': 'red',
      'x-amz-missing-meta': '3',
      'content-type': 'binary/octet-stream',
    });
    expect(headers['cache-control']).toBeUndefined();
  }
});

test('all metadata comes back on GET and HEAD', async () => {
  for (const method of ['GET', 'HEAD']) {
    const answer = await get('/bucket/ten', {}, method);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-length': '10',
      'content-type': 'text/x-ten',
      'cache-control': 'no-store',
      'content-disposition': 'inline',
      'content-encoding': 'gzip',
      'content-language': 'de',
      expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
      'x-amz-meta-colour': 'red',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-website-redirect-location': '/other',
      'accept-ranges': 'bytes',
      etag: '"781e5e245d69b566979b86e28d23f2c7"',
    });
    expect(Object.entries(answer.headers)).toContainEqual(['x-amz-meta-__proto__', 'odd']);
    expect(new Date(answer.headers['last-modified'] ?? '').getTime()).toBe(
      Math.floor(server.clock.nowMs() / 1000) * 1000,
    );
    expect(answer.headers['x-amz-checksum-crc64nvme']).toBeUndefined();
  }
});

test('an empty object is an object', async () => {
  const answer = await get('/bucket/empty');
  expect([answer.status, answer.body, answer.headers['content-length']]).toEqual([200, '', '0']);
  expect(answer.headers['content-type']).toBe('binary/octet-stream');
});

test('a single range answers 206 with its bytes', async () => {
  const cases = [
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=7-100', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-100', '0123456789', 'bytes 0-9/10'],
    ['bytes=0-9', '0123456789', 'bytes 0-9/10'],
  ] as const;
  for (const [range, body, contentRange] of cases) {
    const answer = await get('/bucket/ten', { range });
    expect([range, answer.status, answer.body]).toEqual([range, 206, body]);
    expect(answer.headers['content-range']).toBe(contentRange);
    const head = await get('/bucket/ten', { range }, 'HEAD');
    expect([head.status, head.headers['content-length']]).toEqual([206, String(body.length)]);
  }
});

test('a malformed range and several ranges answer the whole object', async () => {
  for (const range of ['bytes=5-2', 'bytes=a-b', 'bytes=-', 'chars=0-1', 'bytes=0-1,3-4', '0-1']) {
    const answer = await get('/bucket/ten', { range });
    expect([range, answer.status, answer.body]).toEqual([range, 200, '0123456789']);
  }
});

test('the last bytes of an empty object are all of it, and no range', async () => {
  for (const method of ['GET', 'HEAD'] as const) {
    const { status, body, headers } = await get('/bucket/empty', { range: 'bytes=-8' }, method);
    expect([status, body, headers['content-length']]).toEqual([200, '', '0']);
    expect(headers['content-range']).toBeUndefined();
  }
});

test('a range outside of the object is InvalidRange with its size', async () => {
  for (const [path, range, size] of [
    ['/bucket/ten', 'bytes=10-', '10'],
    ['/bucket/ten', 'bytes=99999999999999999999-', '10'],
    ['/bucket/ten', 'bytes=-0', '10'],
    ['/bucket/empty', 'bytes=0-0', '0'],
    ['/bucket/empty', 'bytes=-0', '0'],
  ] as const) {
    const answer = await get(path, { range });
    expect([range, answer.status, answer.code, answer.message]).toEqual([
      range,
      416,
      'InvalidRange',
      'The requested range is not satisfiable',
    ]);
    expect(answer.headers['content-range']).toBe(`bytes */${size}`);
    expect(answer.element('ActualObjectSize')).toBe(size);
    expect(answer.element('RangeRequested')).toBe(range);
    expect((await get(path, { range }, 'HEAD')).status).toBe(416);
  }
});

test('conditions are decided as RFC 9110 orders them', async () => {
  const etag = '"781e5e245d69b566979b86e28d23f2c7"';
  const past = 'Mon, 01 Jan 2001 00:00:00 GMT';
  const future = 'Fri, 01 Jan 2100 00:00:00 GMT';
  const inMinutes = (minutes: number) =>
    new Date(server.clock.nowMs() + minutes * 60_000).toUTCString();
  const cases: [Record<string, string>, number][] = [
    [{ 'if-match': etag }, 200],
    [{ 'if-match': etag.slice(1, -1) }, 200],
    [{ 'if-match': `"other", ${etag}` }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': '"other"' }, 412],
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"other"' }, 200],
    [{ 'if-modified-since': past }, 200],
    [{ 'if-modified-since': 'no date' }, 200],
    [{ 'if-modified-since': inMinutes(0) }, 304],
    // As on S3: a time that has not come is none, but a clock may be ahead.
    [{ 'if-modified-since': inMinutes(14) }, 304],
    [{ 'if-modified-since': inMinutes(16) }, 200],
    [{ 'if-modified-since': future }, 200],
    [{ 'if-unmodified-since': past }, 412],
    [{ 'if-unmodified-since': future }, 200],
    [{ 'if-unmodified-since': '1' }, 200],
    [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
    [{ 'if-none-match': '"other"', 'if-modified-since': future }, 200],
  ];
  for (const [headers, status] of cases) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get('/bucket/ten', headers, method);
      expect([headers, method, answer.status]).toEqual([headers, method, status]);
      if (status === 304) {
        expect(answer.body).toBe('');
        expect(answer.headers.etag).toBe(etag);
        expect(answer.headers['last-modified']).toBeDefined();
        expect(answer.headers['content-length']).toBeUndefined();
      }
      if (status === 412 && method === 'GET') {
        expect([answer.code, answer.message]).toEqual([
          'PreconditionFailed',
          'At least one of the pre-conditions you specified did not hold',
        ]);
        expect(answer.element('Condition')).toMatch(/^If-(Match|Unmodified-Since)$/);
      }
    }
  }
});

test('a range of another object than If-Range names is all of it', async () => {
  const etag = '"781e5e245d69b566979b86e28d23f2c7"';
  const modified = (await get('/bucket/ten', {}, 'HEAD')).headers['last-modified'] ?? '';
  const whole = [200, '0123456789', undefined];
  const part = [206, '234', 'bytes 2-4/10'];
  const cases: [string, unknown[]][] = [
    [etag, part],
    [etag.slice(1, -1), part],
    [modified, part],
    ['"781e5e245d69b566979b86e28d23f2c7-2"', whole],
    [`W/${etag}`, whole],
    [`"other", ${etag}`, whole],
    ['*', whole],
    ['', whole],
    ['Mon, 01 Jan 2001 00:00:00 GMT', whole],
    ['Fri, 01 Jan 2100 00:00:00 GMT', whole],
    ['no date', whole],
  ];
  for (const [validator, expected] of cases) {
    const headers = { range: 'bytes=2-4', 'if-range': validator };
    const answer = await get('/bucket/ten', headers);
    expect([answer.status, answer.body, answer.headers['content-range']], validator).toEqual(
      expected,
    );
    const head = await get('/bucket/ten', headers, 'HEAD');
    expect([head.status, head.headers['content-range']]).toEqual([expected[0], expected[2]]);
  }
  // What is resumed was replaced by something shorter.
  const gone = { range: 'bytes=20-', 'if-range': '"other"' };
  expect((await get('/bucket/ten', gone)).status).toBe(200);
  expect((await get('/bucket/ten', { ...gone, 'if-range': etag })).status).toBe(416);
  expect((await get('/bucket/ten', { 'if-range': '"other"' })).status).toBe(200);
});

test('response headers are replaced for a signed request, and never with a line break', async () => {
  const answer = await get(
    '/bucket/ten?response-cache-control=max-age%3D1&response-content-disposition=attachment%3B%20filename%3D%22%C3%A9%22&response-content-type=text%2Fother',
  );
  expect(answer.headers['cache-control']).toBe('max-age=1');
  expect(answer.headers['content-type']).toBe('text/other');
  const disposition = answer.headers['content-disposition'] ?? '';
  expect(Buffer.from(disposition, 'latin1').toString()).toBe('attachment; filename="é"');
  const split = await get('/bucket/ten?response-content-type=a%0D%0Ax-injected%3A%20b');
  expect([split.status, split.code]).toEqual([400, 'InvalidArgument']);
});

test('part 1 of a plain object is all of it, part 2 is not there', async () => {
  const part = await get('/bucket/ten?partNumber=1');
  expect([part.status, part.body]).toEqual([206, '0123456789']);
  const other = await get('/bucket/ten?partNumber=2');
  expect([other.status, other.code, other.message]).toEqual([
    416,
    'InvalidPartNumber',
    'The requested partnumber is not satisfiable',
  ]);
  expect([other.element('PartNumberRequested'), other.element('ActualPartCount')]).toEqual([
    '2',
    '1',
  ]);
  expect((await get('/bucket/ten?partNumber=2', {}, 'HEAD')).status).toBe(416);
  const none = await get('/bucket/ten?partNumber=0');
  expect([none.status, none.code]).toEqual([400, 'InvalidArgument']);
});

test('the stored checksum comes with x-amz-checksum-mode, for the whole object only', async () => {
  const s3 = server.client();
  const put = await s3.send(
    new PutObjectCommand({
      Bucket: 'bucket',
      Key: 'sum',
      Body: 'abc',
      ChecksumAlgorithm: 'SHA256',
    }),
  );
  expect(put.ChecksumSHA256).toBe('ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=');
  const head = await s3.send(
    new HeadObjectCommand({ Bucket: 'bucket', Key: 'sum', ChecksumMode: 'ENABLED' }),
  );
  expect(head.ChecksumSHA256).toBe(put.ChecksumSHA256);
  expect(head.ChecksumType).toBe('FULL_OBJECT');
  const got = await s3.send(
    new GetObjectCommand({ Bucket: 'bucket', Key: 'sum', ChecksumMode: 'ENABLED' }),
  );
  expect(await got.Body?.transformToString()).toBe('abc');
  const part = await get('/bucket/sum', { range: 'bytes=0-1', 'x-amz-checksum-mode': 'ENABLED' });
  expect(part.headers['x-amz-checksum-sha256']).toBeUndefined();
});

test('a put without a checksum stores CRC64NVME, as S3 does', async () => {
  const answer = await get('/bucket/ten', { 'x-amz-checksum-mode': 'ENABLED' }, 'HEAD');
  expect(answer.headers['x-amz-checksum-crc64nvme']).toMatch(/^[A-Za-z0-9+/]{11}=$/);
  expect(answer.headers['x-amz-checksum-type']).toBe('FULL_OBJECT');
});

test('a large object is streamed whole', async () => {
  const body = Buffer.alloc(5_300_000, 'holdfast');
  const s3 = server.client();
  await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'large', Body: body }));
  const got = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'large' }));
  const bytes = await got.Body?.transformToByteArray();
  expect(Buffer.compare(Buffer.from(bytes ?? []), body)).toBe(0);
});
