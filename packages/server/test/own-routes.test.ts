import { expect, test } from 'vitest';
import { matchOwnRoute } from '../src/own-routes.ts';

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
