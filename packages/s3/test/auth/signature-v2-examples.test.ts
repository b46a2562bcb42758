import { describe, expect, test } from 'vitest';
import { requestHeaders } from '../../src/auth/index.ts';
import { authenticate, refusal } from './authentication-fixtures.ts';
import { ACCESS_KEY } from './request-signer.ts';

// Source: Amazon S3 Developer Guide, "Signing and Authenticating REST Requests": the worked examples, with
// the keys, times and signatures printed there.

interface Example {
  readonly method: string;
  readonly rawUrl: string;
  /** As lines. */
  readonly headers: readonly string[];
  readonly signature: string;
  readonly time: string;
}

const EXAMPLES: readonly (readonly [string, Example])[] = [
  [
    'object GET',
    {
      method: 'GET',
      rawUrl: '/photos/puppy.jpg',
      headers: ['Host: johnsmith.s3.amazonaws.com', 'Date: Tue, 27 Mar 2007 19:36:42 +0000'],
      signature: 'bWq2s1WEIj+Ydj0vQ697zp+IXMU=',
      time: '2007-03-27T19:36:42Z',
    },
  ],
  [
    'object PUT',
    {
      method: 'PUT',
      rawUrl: '/photos/puppy.jpg',
      headers: [
        'Content-Type: image/jpeg',
        'Content-Length: 94328',
        'Host: johnsmith.s3.amazonaws.com',
        'Date: Tue, 27 Mar 2007 21:15:45 +0000',
      ],
      signature: 'MyyxeRY7whkBe+bq8fHCL/2kKUg=',
      time: '2007-03-27T21:15:45Z',
    },
  ],
  [
    'list: its parameters are not signed',
    {
      method: 'GET',
      rawUrl: '/?prefix=photos&max-keys=50&marker=puppy',
      headers: [
        'User-Agent: Mozilla/5.0',
        'Host: johnsmith.s3.amazonaws.com',
        'Date: Tue, 27 Mar 2007 19:42:41 +0000',
      ],
      signature: 'htDYFYduRNen8P9ZfE/s9SuKy0U=',
      time: '2007-03-27T19:42:41Z',
    },
  ],
  [
    'fetch of a sub-resource',
    {
      method: 'GET',
      rawUrl: '/?acl',
      headers: ['Host: johnsmith.s3.amazonaws.com', 'Date: Tue, 27 Mar 2007 19:44:46 +0000'],
      signature: 'c2WLPFtWHVgbEmeEG93a4cG37dM=',
      time: '2007-03-27T19:44:46Z',
    },
  ],
  [
    'delete, in path style',
    {
      method: 'DELETE',
      rawUrl: '/johnsmith/photos/puppy.jpg',
      headers: ['Host: s3.amazonaws.com', 'Date: Tue, 27 Mar 2007 21:20:26 +0000'],
      signature: 'lx3byBScXR6KzyMaifNkardMwNk=',
      time: '2007-03-27T21:20:26Z',
    },
  ],
  [
    'upload, with a header sent twice and a host that is the bucket',
    {
      method: 'PUT',
      rawUrl: '/db-backup.dat.gz',
      headers: [
        'User-Agent: curl/7.15.5',
        'Host: static.johnsmith.net:8080',
        'Date: Tue, 27 Mar 2007 21:06:08 +0000',
        'x-amz-acl: public-read',
        'content-type: application/x-download',
        'Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==',
        'X-Amz-Meta-ReviewedBy: joe@johnsmith.net',
        'X-Amz-Meta-ReviewedBy: jane@johnsmith.net',
        'X-Amz-Meta-FileChecksum: 0x02661779',
        'X-Amz-Meta-ChecksumAlgorithm: crc32',
        'Content-Disposition: attachment; filename=database.dat',
        'Content-Encoding: gzip',
        'Content-Length: 5913339',
      ],
      signature: 'ilyl83RwaSoYIEdixDQcA4OnAnc=',
      time: '2007-03-27T21:06:08Z',
    },
  ],
  [
    'list all my buckets',
    {
      method: 'GET',
      rawUrl: '/',
      headers: ['Host: s3.amazonaws.com', 'Date: Wed, 28 Mar 2007 01:29:59 +0000'],
      signature: 'qGdzdERIC03wnaRNKh6OqZehG9s=',
      time: '2007-03-28T01:29:59Z',
    },
  ],
  [
    'unicode keys: signed as they are escaped, in whatever case',
    {
      method: 'GET',
      rawUrl: '/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re',
      headers: ['Host: s3.amazonaws.com', 'Date: Wed, 28 Mar 2007 01:49:49 +0000'],
      signature: 'DNEZGsoieTZ92F3bUfSPQcbGmlM=',
      time: '2007-03-28T01:49:49Z',
    },
  ],
];

function bucketOfHost(host: string): string | undefined {
  const name = host.replace(/:\d+$/, '');
  if (name === 's3.amazonaws.com') return undefined;
  return name.replace(/\.s3\.amazonaws\.com$/, '');
}

describe('the examples of the Amazon S3 Developer Guide are accepted', () => {
  test.each(EXAMPLES)('%s', (_, { method, rawUrl, headers, signature, time }) => {
    const lines = [...headers, `Authorization: AWS ${ACCESS_KEY}:${signature}`];
    const all = requestHeaders(lines.flatMap((line) => line.split(': ')));
    const options = { nowMs: () => Date.parse(time), bucketOfHost };
    expect(authenticate({ method, rawUrl, headers: all }, options)).toEqual({
      kind: 'signed-v2',
      via: 'header',
      accessKeyId: ACCESS_KEY,
      payload: 'unsigned',
      headers: all,
    });
    const other = { method: 'POST', rawUrl, headers: all };
    expect(refusal(other, options).code).toBe('SignatureDoesNotMatch');
  });

  test('query string request authentication', () => {
    const request = {
      method: 'GET',
      rawUrl:
        `/photos/puppy.jpg?AWSAccessKeyId=${ACCESS_KEY}` +
        '&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620',
      headers: requestHeaders(['Host', 'johnsmith.s3.amazonaws.com']),
    };
    const options = { nowMs: () => 1_175_139_620_000, bucketOfHost };
    expect(authenticate(request, options)).toMatchObject({ kind: 'signed-v2', via: 'query' });
    const elsewhere = { ...options, bucketOfHost: () => 'another' };
    expect(refusal(request, elsewhere).stringToSign).toBe(
      'GET\n\n\n1175139620\n/another/photos/puppy.jpg',
    );
  });
});
