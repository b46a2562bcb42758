import {
  type CORSRule,
  CreateBucketCommand,
  DeleteBucketCorsCommand,
  GetBucketCorsCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findCorsRule } from '../src/cors/cors-rules.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let client: S3Client;

beforeAll(async () => {
  server = await startTestServer({ bucketAcls: true });
  client = server.client();
});
afterAll(() => server[Symbol.asyncDispose]());

async function newBucket(Bucket: string, CORSRules?: CORSRule[]): Promise<string> {
  await client.send(new CreateBucketCommand({ Bucket, ACL: 'public-read' }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v', ACL: 'public-read' }));
  if (CORSRules !== undefined) {
    const CORSConfiguration = { CORSRules };
    await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration }));
  }
  return `${server.endpoint}/${Bucket}`;
}

interface Shown {
  readonly status: number;
  readonly origin: string | null;
  readonly methods: string | null;
}

async function ask(url: string, method: string, headers: Record<string, string>): Promise<Shown> {
  const answer = await fetch(url, { method, headers });
  await answer.arrayBuffer();
  return {
    status: answer.status,
    origin: answer.headers.get('access-control-allow-origin'),
    methods: answer.headers.get('access-control-allow-methods'),
  };
}

/** `fetch` does not let a page set these, but it lets Node. */
const preflight = (url: string, Origin: string, method: string, headers?: string): Promise<Shown> =>
  ask(url, 'OPTIONS', {
    Origin,
    'Access-Control-Request-Method': method,
    ...(headers !== undefined && { 'Access-Control-Request-Headers': headers }),
  });

test('a configuration comes back as it was put, and can be taken away', async () => {
  const rule: CORSRule = {
    ID: 'one',
    AllowedMethods: ['GET', 'PUT'],
    AllowedOrigins: ['http://*.example.com', 'https://a'],
    AllowedHeaders: ['x-*'],
    ExposeHeaders: ['ETag'],
    MaxAgeSeconds: 30,
  };
  await newBucket('cors-back', [rule]);
  const got = await client.send(new GetBucketCorsCommand({ Bucket: 'cors-back' }));
  expect(got.CORSRules).toEqual([rule]);
  await client.send(new DeleteBucketCorsCommand({ Bucket: 'cors-back' }));
  await expect(client.send(new GetBucketCorsCommand({ Bucket: 'cors-back' }))).rejects.toThrow(
    'The CORS configuration does not exist',
  );
});

test('an age below zero is taken and told, so that nothing is remembered', async () => {
  const rule = { AllowedMethods: ['GET'], AllowedOrigins: ['*'], MaxAgeSeconds: -1 };
  const url = await newBucket('cors-forget', [rule]);
  const got = await client.send(new GetBucketCorsCommand({ Bucket: 'cors-forget' }));
  expect(got.CORSRules).toEqual([rule]);
  const answer = await fetch(`${url}/k`, {
    method: 'OPTIONS',
    headers: { Origin: 'http://a', 'Access-Control-Request-Method': 'GET' },
  });
  expect(answer.headers.get('access-control-max-age')).toBe('-1');
});

test.each<[string, CORSRule]>([
  ['two wildcards', { AllowedMethods: ['GET'], AllowedOrigins: ['*.*'] }],
  ['unsupported HTTP method', { AllowedMethods: ['PATCH'], AllowedOrigins: ['*'] }],
  [
    'wildcards in what is exposed',
    { AllowedMethods: ['GET'], AllowedOrigins: ['*'], ExposeHeaders: ['*'] },
  ],
])('a configuration with %s is refused', async (name, rule) => {
  await expect(newBucket(`cors-${name.length}-${name.slice(0, 3)}`, [rule])).rejects.toThrow();
});

test('what no header can say is not exposed', async () => {
  for (const [index, name] of ['x\r\ny: z', '漢', 'a\u0000', 'x y', 'x: y', 'x(y)'].entries()) {
    const bucket = `cors-unsendable-${index}`;
    const rule = { AllowedMethods: ['GET'], AllowedOrigins: ['*'], ExposeHeaders: [name] };
    await expect(newBucket(bucket, [rule])).rejects.toThrow('contains invalid character');
    const url = `${server.endpoint}/${bucket}/k`;
    expect((await ask(url, 'GET', { Origin: 'http://a' })).status).toBe(200);
  }
});

test('a preflight is answered by the first rule that allows it', async () => {
  const url = await newBucket('cors-preflight', [
    { AllowedMethods: ['GET'], AllowedOrigins: ['http://*.x', 'https://y', 'http://.*.'] },
    { AllowedMethods: ['PUT', 'DELETE'], AllowedOrigins: ['*'], AllowedHeaders: ['x-amz-*'] },
  ]);
  const yes = { status: 200, origin: 'http://a.x', methods: 'GET' };
  expect(await preflight(`${url}/k`, 'http://a.x', 'GET')).toEqual(yes);
  expect(await preflight(url, 'http://a.x', 'GET')).toEqual(yes);
  const all = { status: 200, origin: '*', methods: 'PUT, DELETE' };
  expect(await preflight(`${url}/none`, 'http://z', 'PUT', 'X-Amz-Date, x-amz-acl')).toEqual(all);
  const no = { status: 403, origin: null, methods: null };
  // The two ends of a pattern are two places in the origin.
  expect(await preflight(url, 'http://.', 'GET')).toEqual(no);
  expect(await preflight(url, 'http://a.y', 'GET')).toEqual(no);
  expect(await preflight(url, 'http://z', 'PUT', 'x-other')).toEqual(no);
  expect(await preflight(url, 'http://z', 'HEAD')).toEqual(no);
  const bad = { status: 400, origin: null, methods: null };
  expect(await ask(url, 'OPTIONS', {})).toEqual(bad);
  expect(await ask(url, 'OPTIONS', { Origin: 'http://a.x' })).toEqual(bad);
});

test('a page may read answers and refusals, where a rule allows the method', async () => {
  const url = await newBucket('cors-answer', [
    { AllowedMethods: ['GET'], AllowedOrigins: ['http://a'] },
  ]);
  const seen = (method: string, path: string, Origin: string) =>
    ask(`${url}${path}`, method, { Origin });
  const shown = { origin: 'http://a', methods: 'GET' };
  const hidden = { origin: null, methods: null };
  expect(await seen('GET', '/k', 'http://a')).toEqual({ status: 200, ...shown });
  expect(await seen('GET', '/none', 'http://a')).toEqual({ status: 404, ...shown });
  expect(await seen('GET', '/k', 'http://b')).toEqual({ status: 200, ...hidden });
  expect(await seen('DELETE', '/k', 'http://a')).toEqual({ status: 403, ...hidden });
  const answer = await fetch(`${url}/k`, { headers: { Origin: 'http://a' } });
  await answer.arrayBuffer();
  expect(answer.headers.get('vary')).toContain('Origin');
  expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
});

test('without a configuration no page may do anything', async () => {
  const url = await newBucket('cors-none');
  expect((await preflight(url, 'http://a', 'GET')).status).toBe(403);
  expect((await ask(`${url}/k`, 'GET', { Origin: 'http://a' })).origin).toBeNull();
  expect((await preflight(`${server.endpoint}/cors-missing`, 'http://a', 'GET')).status).toBe(404);
});

test('a star stands for any run of characters, and for nothing else', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (start, middle, end) => {
      const plain = (text: string): string => text.replaceAll('*', '');
      const pattern = `${plain(start)}*${plain(end)}`;
      const rule = {
        allowedOrigins: [pattern],
        allowedMethods: ['GET'],
        allowedHeaders: [],
        exposeHeaders: [],
      };
      const allows = (origin: string): boolean =>
        findCorsRule([rule], { origin, method: 'GET', headers: [] }) !== undefined;
      expect(allows(plain(start) + middle + plain(end))).toBe(true);
      expect(allows(`${plain(start)}${middle}${plain(end)}!`)).toBe(
        `${middle}${plain(end)}!`.endsWith(plain(end)),
      );
    }),
  );
});
