import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { answerOwnRoute, matchOwnRoute } from '../src/own-routes.ts';

const match = (url: string, headers: Record<string, string> = {}, domains: string[] = []) =>
  matchOwnRoute({ url, headers }, domains);

test('health and metrics are matched, with or without a query', () => {
  expect(match('/_/health/live')).toBe('live');
  expect(match('/_/health/ready?x=1')).toBe('ready');
  expect(match('/_/metrics')).toBe('metrics');
  expect(match('/_/changes?after=newest')).toBe('changes');
  expect(match('/_/anything')).toBe('unknown');
});

test('what looks like MinIO health is health only without a signature', () => {
  expect(match('/minio/health/live')).toBe('live');
  expect(match('/minio/health/ready')).toBe('ready');
  // `mc ready` asks for these.
  expect(match('/minio/health/cluster')).toBe('ready');
  expect(match('/minio/health/cluster/read')).toBe('ready');
  // It asks whether the node may be taken down.
  expect(match('/minio/health/cluster?maintenance=true')).toBeUndefined();
  expect(match('/minio/health/live', { authorization: 'AWS4-HMAC-SHA256 …' })).toBeUndefined();
  expect(match('/minio/health/live?X-Amz-Signature=00')).toBeUndefined();
  expect(match('/minio/health/other')).toBeUndefined();
});

test('the admin API of MinIO is told by its signature, which is for no region', () => {
  const signed = (region: string): { authorization: string } => ({
    authorization: `AWS4-HMAC-SHA256 Credential=me/20261124/${region}/s3/aws4_request, SignedHeaders=host`,
  });
  expect(match('/minio/admin/v3/info?metrics=false', signed(''))).toBe('minio-admin');
  expect(match('/minio/admin/v3/info', signed('us-east-1'))).toBeUndefined();
  expect(match('/minio/object', signed(''))).toBeUndefined();
  expect(match('/minio/admin/v3/info')).toBeUndefined();
});

test('the admin API of MinIO is refused in words, whatever the method', async () => {
  const server = createServer((request, response) => {
    void answerOwnRoute('minio-admin', request, response, {
      notReadyBecause: () => undefined,
      renderMetrics: undefined,
      metricsContentType: 'text/plain',
      answerChanges: () => Promise.resolve(),
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
      const url = `http://127.0.0.1:${port}/minio/admin/v3/info`;
      const signal = AbortSignal.timeout(5000);
      const answer = await fetch(url, { method, signal, ...(method === 'PUT' && { body: 'x' }) });
      expect([answer.status, await answer.text()]).toEqual([
        501,
        expect.stringContaining(
          '<Code>NotImplemented</Code><Message>There is no admin API of MinIO',
        ),
      ]);
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('every other path is for the S3 API', () => {
  for (const url of ['/', '/bucket/_/metrics', '/_', '/_bucket/key', '/minio', '/minio/object']) {
    expect(match(url), url).toBeUndefined();
  }
});

test('below a domain of buckets every path is an object', () => {
  const headers = { host: 'photos.s3.test:9000' };
  expect(match('/_/metrics', headers, ['s3.test'])).toBeUndefined();
  expect(match('/_/metrics', { host: 's3.test:9000' }, ['s3.test'])).toBe('metrics');
});
