import { expect, test } from 'vitest';
import { parseServeSettings } from '../src/settings.ts';

const defaults = {
  data: './holdfast-data',
  host: '127.0.0.1',
  port: '9000',
  bucket: [],
  region: 'us-east-1',
  domain: [],
  logLevel: 'info',
  collectEvery: '600',
  slowAfter: '1000',
  scrubRate: '4194304',
  recovery: 'fail-closed',
};

test('names of buckets are split at commas, trimmed, and kept once', () => {
  const settings = parseServeSettings({ ...defaults, bucket: ['a1b, c2d', 'a1b', ''] });
  expect(settings.buckets).toEqual(['a1b', 'c2d']);
});

test('ports from 0 to 65535 are taken, and nothing else', () => {
  expect(parseServeSettings({ ...defaults, port: '0' }).port).toBe(0);
  expect(parseServeSettings({ ...defaults, port: '65535' }).port).toBe(65_535);
  for (const port of ['65536', '-1', '80x', '', '1e3', ' 80']) {
    expect(() => parseServeSettings({ ...defaults, port }), port).toThrow(
      '--port is a number from 0 to 65535.',
    );
  }
});

test('all that is wrong is said at once, a sentence each', () => {
  expect(() =>
    parseServeSettings({ ...defaults, port: 'x', region: 'Mars!', logLevel: 'loud' }),
  ).toThrow(
    [
      '--port is a number from 0 to 65535.',
      '--region is a name such as us-east-1: small letters, digits, hyphens.',
      '--log-level is one of error, warn, info, debug.',
    ].join('\n'),
  );
});

test('a domain has no scheme and no port', () => {
  expect(parseServeSettings({ ...defaults, domain: ['s3.test,s3.home'] }).domains).toEqual([
    's3.test',
    's3.home',
  ]);
  expect(() => parseServeSettings({ ...defaults, domain: ['http://s3.test'] })).toThrow('--domain');
  expect(() => parseServeSettings({ ...defaults, domain: ['s3.test:9000'] })).toThrow('--domain');
});

test('Signature Version 2 is accepted unless it is switched off', () => {
  expect(parseServeSettings(defaults).signatureV2).toBe(true);
  expect(parseServeSettings({ ...defaults, signatureV2: false }).signatureV2).toBe(false);
});

test('a recovery policy that needs peers is refused with the reason', () => {
  expect(parseServeSettings(defaults).recovery).toBe('fail-closed');
  expect(() => parseServeSettings({ ...defaults, recovery: 'repair-from-peers' })).toThrow(
    'needs peers',
  );
  const cluster = { node: 'n1', cluster: 'n1=h:1,n2=h:2', clusterSecretFile: '/secret' };
  const repairing = { ...defaults, ...cluster, recovery: 'repair-from-peers' };
  expect(parseServeSettings(repairing).recovery).toBe('repair-from-peers');
  expect(() => parseServeSettings({ ...defaults, recovery: 'hope' })).toThrow('--recovery');
});

test('a scrub rate of 0 is no scrubber, and a time that is none is refused', () => {
  expect(parseServeSettings({ ...defaults, scrubRate: '0' }).scrubRate).toBe(0);
  expect(() => parseServeSettings({ ...defaults, scrubRate: 'fast' })).toThrow('--scrub-rate');
  expect(() => parseServeSettings({ ...defaults, slowAfter: '0' })).toThrow('--slow-after');
});

test('a node of a cluster is checked with the rest, and says all that is missing of it', () => {
  const cluster = { node: 'n1', cluster: 'n1=h:1,n2=h:2', clusterSecretFile: '/secret' };
  const settings = parseServeSettings({ ...defaults, ...cluster });
  expect(settings.cluster).toMatchObject({ nodeId: 'n1', listen: { host: 'h', port: 1 } });
  expect(() => parseServeSettings({ ...defaults, node: 'n1', cluster: 'n2=h:2' })).toThrow(
    [
      '--cluster needs --cluster-secret-file: a file of at least 32 random bytes, the same on every node.',
      '--node n1 is not in --cluster, which names n2.',
    ].join('\n'),
  );
});

test('a webhook is a name and an address, and not one whose port nothing can be sent to', () => {
  const webhook = ['a=http://127.0.0.1:8080/x', 'b=https://example.com'];
  expect(parseServeSettings({ ...defaults, webhook }).webhooks).toEqual([
    { name: 'a', url: 'http://127.0.0.1:8080/x' },
    { name: 'b', url: 'https://example.com' },
  ]);
  for (const port of [25, 6000]) {
    const blocked = [...webhook, `c=http://127.0.0.1:${port}/`];
    expect(() => parseServeSettings({ ...defaults, webhook: blocked })).toThrow(
      `--webhook cannot use port ${port}: the client of HTTP blocks it`,
    );
  }
});
