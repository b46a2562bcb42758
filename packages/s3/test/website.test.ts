import { request } from 'node:http';
import {
  CreateBucketCommand,
  DeleteBucketWebsiteCommand,
  GetBucketWebsiteCommand,
  PutBucketCorsCommand,
  PutBucketPolicyCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  type S3Client,
  type WebsiteConfiguration,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let client: S3Client;

beforeAll(async () => {
  server = await startTestServer({ websiteDomains: ['web.test'] });
  client = server.client();
});
afterAll(() => server[Symbol.asyncDispose]());

interface Page {
  readonly status: number;
  readonly location: string | undefined;
  readonly type: string | undefined;
  readonly origin: string | undefined;
  readonly text: string;
}

/** Asks as a browser does, at the website's own host. */
function visit(site: string, path: string, method = 'GET', more: object = {}): Promise<Page> {
  return new Promise((resolve, reject) => {
    const headers = { Host: `${site}.web.test`, ...more };
    const options = { host: '127.0.0.1', port: server.port, path, method, headers, agent: false };
    request(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      answer.on('end', () => {
        const {
          location,
          'content-type': type,
          'access-control-allow-origin': origin,
        } = answer.headers;
        resolve({ status: answer.statusCode ?? 0, location, type, origin, text });
      });
    })
      .on('error', reject)
      .end();
  });
}

async function newSite(
  Bucket: string,
  WebsiteConfiguration: WebsiteConfiguration,
  actions: readonly string[] = ['s3:GetObject', 's3:ListBucket'],
): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }));
  const Resource = [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`];
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: actions, Resource }];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  for (const Key of ['index.html', 'a/index.html', 'a/page.html', 'error.html']) {
    const object = { Bucket, Key, Body: `this is ${Key}`, ContentType: 'text/html' };
    await client.send(new PutObjectCommand(object));
  }
}

const INDEX = { IndexDocument: { Suffix: 'index.html' } };

test('pages, and index documents of folders, are for everybody', async () => {
  await newSite('pages', INDEX);
  expect(await visit('pages', '/')).toMatchObject({
    status: 200,
    type: 'text/html',
    text: 'this is index.html',
  });
  expect((await visit('pages', '/a/?x=1')).text).toBe('this is a/index.html');
  expect((await visit('pages', '/a/page.html')).text).toBe('this is a/page.html');
  expect(await visit('pages', '/a')).toMatchObject({ status: 302, location: '/a/' });
  expect(await visit('pages', '/a/page.html', 'HEAD')).toMatchObject({ status: 200, text: '' });
  const put = await visit('pages', '/a/page.html', 'PUT');
  expect(put.status).toBe(405);
  expect(put.text).toContain('<li>ResourceType: OBJECT</li>');
});

test('what is not there is 404, or 403 where nobody may know, and a page for people', async () => {
  await newSite('missing', INDEX);
  const page = await visit('missing', '/none');
  expect(page).toMatchObject({ status: 404, type: 'text/html; charset=utf-8' });
  expect(page.text).toContain('<h1>404 Not Found</h1>');
  expect(page.text).toContain('<li>Code: NoSuchKey</li>');
  expect(page.text).toContain('<li>Key: none</li>');
  await newSite('undocumented', { ...INDEX, ErrorDocument: { Key: 'no.html' } });
  expect((await visit('undocumented', '/none')).text).toContain(
    '</ul>\n<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n<li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>\n<li>Key: no.html</li>\n</ul>',
  );
  await newSite('secret', INDEX, ['s3:GetObject']);
  expect((await visit('secret', '/none')).status).toBe(403);
  expect((await visit('secret', '/none/')).status).toBe(403);
  // A folder is found by its index document, though nobody may list.
  expect(await visit('secret', '/a')).toMatchObject({ status: 302, location: '/a/' });
  expect((await visit('nosite', '/')).status).toBe(404);
  await client.send(new CreateBucketCommand({ Bucket: 'plain' }));
  expect((await visit('plain', '/')).text).toContain('NoSuchWebsiteConfiguration');
});

test('a page of another origin may ask what it may do with a website', async () => {
  await newSite('asked', INDEX);
  const ask = (Origin?: string): Promise<Page> =>
    visit('asked', '/index.html', 'OPTIONS', {
      ...(Origin !== undefined && { Origin }),
      'Access-Control-Request-Method': 'GET',
    });
  expect((await ask('http://a.test')).status).toBe(403);
  const CORSRules = [{ AllowedMethods: ['GET'], AllowedOrigins: ['http://a.test'] }];
  await client.send(
    new PutBucketCorsCommand({ Bucket: 'asked', CORSConfiguration: { CORSRules } }),
  );
  expect(await ask('http://a.test')).toMatchObject({ status: 200, origin: 'http://a.test' });
  const refused = await ask('http://b.test');
  expect([refused.status, refused.origin]).toEqual([403, undefined]);
  expect(refused.text).toContain('<li>Code: AccessForbidden</li>');
  expect((await ask()).status).toBe(400);
});

test('a page that nobody was let in to is not shown', async () => {
  await newSite('closed', { ...INDEX, ErrorDocument: { Key: 'error.html' } }, ['s3:ListBucket']);
  for (const path of ['/', '/a/page.html', '/none']) {
    const page = await visit('closed', path);
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('AccessDenied')]);
  }
});

test('a folder whose name begins with a slash is no other host', async () => {
  await newSite('slashes', INDEX);
  const Key = '/evil.test/index.html';
  await client.send(new PutObjectCommand({ Bucket: 'slashes', Key, Body: 'here' }));
  const { status, location } = await visit('slashes', '//evil.test');
  expect([status, location]).toEqual([302, '/%2Fevil.test/']);
  expect((await visit('slashes', location ?? '')).text).toBe('here');
});

test('the error document is shown with the status of the error', async () => {
  await newSite('errors', { ...INDEX, ErrorDocument: { Key: 'error.html' } });
  expect(await visit('errors', '/none')).toMatchObject({ status: 404, text: 'this is error.html' });
  await client.send(
    new PutObjectCommand({
      Bucket: 'errors',
      Key: 'error.html',
      WebsiteRedirectLocation: '/sorry',
    }),
  );
  expect(await visit('errors', '/none')).toMatchObject({ status: 301, location: '/sorry' });
});

test('rules, objects and whole sites redirect', async () => {
  await newSite('rules', {
    ...INDEX,
    RoutingRules: [
      {
        Condition: { KeyPrefixEquals: 'old/' },
        Redirect: { ReplaceKeyPrefixWith: 'a/', HttpRedirectCode: '302' },
      },
      {
        Condition: { HttpErrorCodeReturnedEquals: '404' },
        Redirect: { HostName: 'other.test', Protocol: 'https', ReplaceKeyWith: 'lost' },
      },
    ],
  });
  expect(await visit('rules', '/old/page.html')).toMatchObject({
    status: 302,
    location: 'http://rules.web.test/a/page.html',
  });
  expect(await visit('rules', '/none')).toMatchObject({
    status: 301,
    location: 'https://other.test/lost',
  });
  const moved = { Bucket: 'rules', Key: 'moved', WebsiteRedirectLocation: '/a/page.html' };
  await client.send(new PutObjectCommand(moved));
  expect(await visit('rules', '/moved')).toMatchObject({ status: 301, location: '/a/page.html' });
  await newSite('gone', { RedirectAllRequestsTo: { HostName: 'new.test' } });
  expect(await visit('gone', '/x%20y/z')).toMatchObject({
    status: 301,
    location: 'http://new.test/x%20y/z',
  });
});

test('a redirect keeps the query, and may be to an address that has one', async () => {
  const resize = { HostName: 'api.test', Protocol: 'https', HttpRedirectCode: '307' } as const;
  await newSite('queries', {
    ...INDEX,
    RoutingRules: [
      { Condition: { KeyPrefixEquals: 'old/' }, Redirect: { ReplaceKeyPrefixWith: 'a/' } },
      { Condition: { KeyPrefixEquals: 'app/' }, Redirect: { ReplaceKeyPrefixWith: '#!/' } },
      { Condition: { KeyPrefixEquals: 'one' }, Redirect: { ReplaceKeyWith: 'a new one?b=c&d=é' } },
      {
        Condition: { HttpErrorCodeReturnedEquals: '404' },
        Redirect: { ...resize, ReplaceKeyPrefixWith: 'prod/resize?key=' },
      },
    ],
  });
  const sentTo = async (path: string) => (await visit('queries', path)).location;
  expect(await sentTo('/old/page.html?x=1&y=%2F')).toBe(
    'http://queries.web.test/a/page.html?x=1&y=%2F',
  );
  expect(await sentTo('/old/page.html?')).toBe('http://queries.web.test/a/page.html');
  expect(await sentTo('/app/a%20b')).toBe('http://queries.web.test/#!/a%20b');
  expect(await sentTo('/one?e=f')).toBe('http://queries.web.test/a%20new%20one?b=c&d=%C3%A9&e=f');
  expect(await sentTo('/300x300/a%3Fb.jpg')).toBe(
    'https://api.test/prod/resize?key=300x300/a%3Fb.jpg',
  );
  await newSite('away', { RedirectAllRequestsTo: { HostName: 'new.test' } });
  expect((await visit('away', '/a?x=1')).location).toBe('http://new.test/a?x=1');
});

test('a configuration comes back as it was put, and can be taken away', async () => {
  const configuration: WebsiteConfiguration = {
    ...INDEX,
    ErrorDocument: { Key: 'e.html' },
    RoutingRules: [
      {
        Condition: { KeyPrefixEquals: 'p', HttpErrorCodeReturnedEquals: '403' },
        Redirect: { Protocol: 'http', HostName: 'h', ReplaceKeyWith: 'k', HttpRedirectCode: '307' },
      },
    ],
  };
  await newSite('back', configuration);
  const { $metadata: _metadata, ...got } = await client.send(
    new GetBucketWebsiteCommand({ Bucket: 'back' }),
  );
  expect(got).toEqual(configuration);
  await client.send(new DeleteBucketWebsiteCommand({ Bucket: 'back' }));
  await expect(client.send(new GetBucketWebsiteCommand({ Bucket: 'back' }))).rejects.toThrow(
    'does not have a website configuration',
  );
  const bad = { IndexDocument: { Suffix: 'a/b' } };
  await expect(
    client.send(new PutBucketWebsiteCommand({ Bucket: 'back', WebsiteConfiguration: bad })),
  ).rejects.toThrow('IndexDocument Suffix');
  for (const HostName of ['漢.example', 'a\r\nb', 'a b']) {
    const rules = { ...INDEX, RoutingRules: [{ Redirect: { HostName } }] };
    for (const WebsiteConfiguration of [{ RedirectAllRequestsTo: { HostName } }, rules]) {
      await expect(
        client.send(new PutBucketWebsiteCommand({ Bucket: 'back', WebsiteConfiguration })),
      ).rejects.toThrow('HostName is not well formed');
    }
  }
});

const rule = (Redirect: object, Condition?: object): object => ({
  ...INDEX,
  RoutingRules: [{ ...(Condition !== undefined && { Condition }), Redirect }],
});
const HOST = { HostName: 'h.test' };

test.each<[string, object, string, string]>([
  ['a redirect to nowhere', rule({}), 'MalformedXML', 'not well-formed'],
  ['code 300', rule({ ...HOST, HttpRedirectCode: '300' }), 'InvalidRequest', '3XX except 300'],
  ['code 200', rule({ ...HOST, HttpRedirectCode: '200' }), 'InvalidRequest', 'redirect code (200)'],
  [
    'an error 399',
    rule(HOST, { HttpErrorCodeReturnedEquals: '399' }),
    'InvalidRequest',
    'error code (399) is not valid. Valid codes are 4XX or 5XX.',
  ],
  ['an empty condition', rule(HOST, {}), 'InvalidRequest', 'Condition cannot be empty'],
  [
    'two replacements',
    rule({ ReplaceKeyPrefixWith: 'p', ReplaceKeyWith: 'k' }),
    'InvalidRequest',
    'ReplaceKeyPrefix or ReplaceKey but not both',
  ],
  ['no code', rule({ ...HOST, HttpRedirectCode: 'x' }), 'MalformedXML', 'not well-formed'],
  [
    '51 rules',
    { ...INDEX, RoutingRules: Array.from({ length: 51 }, () => ({ Redirect: HOST })) },
    'InvalidRequest',
    '51 routing rules provided',
  ],
  [
    'more than 128 KiB',
    rule({ ...HOST, ReplaceKeyWith: 'a'.repeat(128 * 1024) }),
    'MaxMessageLengthExceeded',
    '',
  ],
])('a configuration with %s is refused', async (_what, WebsiteConfiguration, name, message) => {
  const put = { Bucket: 'pages', WebsiteConfiguration };
  await expect(client.send(new PutBucketWebsiteCommand(put))).rejects.toMatchObject({
    name,
    message: expect.stringContaining(message),
  });
});
