import { describe, expect, test } from 'vitest';
import type { Authentication, RawRequest } from '../../src/auth/index.ts';
import { createAuthenticator, requestHeaders } from '../../src/auth/index.ts';

// Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)": the worked
// examples, with the keys, the time and the signatures printed there.
const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const EXAMPLE_TIME_MS = Date.UTC(2013, 4, 24);
const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function authenticate(request: RawRequest): Authentication {
  const authenticator = createAuthenticator({
    findSecret: (accessKeyId) => (accessKeyId === ACCESS_KEY ? SECRET_KEY : undefined),
    nowMs: () => EXAMPLE_TIME_MS,
    region: 'us-east-1',
  });
  return authenticator.authenticate(request);
}

function example(
  method: string,
  rawUrl: string,
  headers: Record<string, string>,
  signedHeaders: string,
  signature: string,
): RawRequest {
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,` +
    `SignedHeaders=${signedHeaders},Signature=${signature}`;
  const all = { Host: 'examplebucket.s3.amazonaws.com', Authorization: authorization, ...headers };
  return { method, rawUrl, headers: requestHeaders(Object.entries(all).flat()) };
}

describe('the examples of the Amazon S3 API Reference are accepted', () => {
  test('GET object', () => {
    const request = example(
      'GET',
      '/test.txt',
      {
        Range: 'bytes=0-9',
        'x-amz-content-sha256': SHA256_OF_NOTHING,
        'x-amz-date': '20130524T000000Z',
      },
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    );
    expect(authenticate(request)).toMatchObject({
      kind: 'signed',
      via: 'header',
      accessKeyId: ACCESS_KEY,
      scope: { text: '20130524/us-east-1/s3/aws4_request' },
      payload: { sha256: SHA256_OF_NOTHING },
    });
  });

  test('PUT object, with its time in Date and a dollar sign in its key', () => {
    const sha256 = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';
    const request = example(
      'PUT',
      '/test$file.text',
      {
        Date: 'Fri, 24 May 2013 00:00:00 GMT',
        'x-amz-date': '20130524T000000Z',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-amz-content-sha256': sha256,
      },
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    );
    expect(authenticate(request)).toMatchObject({ kind: 'signed', payload: { sha256 } });
  });

  test('GET bucket lifecycle, whose query is a name without a value', () => {
    const request = example(
      'GET',
      '/?lifecycle',
      { 'x-amz-date': '20130524T000000Z', 'x-amz-content-sha256': SHA256_OF_NOTHING },
      'host;x-amz-content-sha256;x-amz-date',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    );
    expect(authenticate(request)).toMatchObject({ kind: 'signed' });
  });

  test('list objects', () => {
    const request = example(
      'GET',
      '/?max-keys=2&prefix=J',
      { 'x-amz-date': '20130524T000000Z', 'x-amz-content-sha256': SHA256_OF_NOTHING },
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    );
    expect(authenticate(request)).toMatchObject({ kind: 'signed' });
  });

  test('a presigned GET', () => {
    const request = {
      method: 'GET',
      rawUrl:
        '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
        '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
        '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
        '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
      headers: requestHeaders(['Host', 'examplebucket.s3.amazonaws.com']),
    };
    expect(authenticate(request)).toMatchObject({
      kind: 'signed',
      via: 'query',
      payload: 'unsigned',
    });
  });

  test('the headers of a chunked upload', () => {
    const request = example(
      'PUT',
      '/examplebucket/chunkObject.txt',
      {
        Host: 's3.amazonaws.com',
        'x-amz-date': '20130524T000000Z',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        'Content-Encoding': 'aws-chunked',
        'x-amz-decoded-content-length': '66560',
        'Content-Length': '66824',
      },
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    );
    expect(authenticate(request)).toMatchObject({ kind: 'signed', payload: 'streaming-signed' });
  });

  test('the headers of a chunked upload with a trailer', () => {
    const request = example(
      'PUT',
      '/examplebucket/chunkObject.txt',
      {
        Host: 's3.amazonaws.com',
        'x-amz-date': '20130524T000000Z',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
        'Content-Encoding': 'aws-chunked',
        'x-amz-decoded-content-length': '66560',
        'x-amz-trailer': 'x-amz-checksum-crc32c',
        'Content-Length': '66824',
      },
      'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
      '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    );
    expect(authenticate(request)).toMatchObject({
      kind: 'signed',
      payload: 'streaming-signed-trailer',
    });
  });
});
