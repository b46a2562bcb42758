import { readFile } from 'node:fs/promises';
import { logIndex, term } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { openLocalStore } from '@holdfast/kv';
import { nodeId } from '@holdfast/raft';
import { expect, test } from 'vitest';
import type { SampledStatus } from '../src/cluster/cluster-sample.ts';
import { sampleCluster } from '../src/cluster/cluster-sample.ts';
import type { ServiceSource } from '../src/metrics.ts';
import { Metrics } from '../src/metrics.ts';
import { MetricsText } from '../src/metrics-text.ts';
import { statsReport } from '../src/stats-report.ts';
import { sampleStorage } from '../src/storage-sample.ts';

const SERVICE: ServiceSource = {
  requestsInFlight: () => 2,
  slowAfterMs: 100,
  certificateEndsMs: () => 1_800_000_000_000,
  uptimeMs: () => 60_000,
  scrubbed: () => ({ passes: 3, bytes: 4096 }),
  backupAgeMs: () => undefined,
  eventQueues: () => [],
};

const LEADER: SampledStatus = {
  role: 'leader',
  leaderId: nodeId('n1'),
  term: term(3),
  commitIndex: logIndex(8),
  appliedIndex: logIndex(7),
  lastIndex: logIndex(9),
  waitingBytes: 0,
  members: [
    { role: 'voter', isConnected: true, matchIndex: 9 },
    { role: 'voter', isConnected: true, matchIndex: 8 },
    { role: 'learner', isConnected: false, matchIndex: 2 },
  ],
};

/** Metrics of a store with some writes, after some requests. */
async function rendered(service: ServiceSource = SERVICE): Promise<string> {
  const env = await createMemoryEnv();
  const store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  for (let at = 0; at < 3; at++) {
    const key = Uint8Array.of(at);
    await store.transact({ operations: [{ kind: 'put', key, value: new Uint8Array(5000) }] });
  }
  const metrics = new Metrics({
    sampleStorage: () => {
      const { metrics: own, histograms } = sampleStorage(store, env.clock.nowMs());
      return { metrics: [...own, ...sampleCluster(LEADER)], histograms };
    },
    service,
  });
  const request = { bytesIn: 10, bytesOut: 20, requestId: 'x' };
  metrics.recordRequest({ ...request, operation: 'GetObject', status: 200, durationMs: 3 });
  metrics.recordRequest({ ...request, operation: 'GetObject', status: 200, durationMs: 101 });
  metrics.recordRequest({
    ...request,
    operation: 'PutObject',
    status: 404,
    durationMs: 1,
    errorCode: 'NoSuchBucket',
  });
  metrics.recordCollected({ passes: 1 });
  metrics.recordDamage('segment');
  const text = await metrics.render();
  metrics.close();
  await store.close();
  return text;
}

const exportedNames = (text: string): string[] =>
  [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name).sort();

test('docs/operations.md names every metric that is exported, with its kind, and no other', async () => {
  const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` +\| (counter|gauge|histogram)/gm)];
  const named = rows.map(([, name = '', kind = '']) => `${name} ${kind}`).sort();
  const text = await rendered();
  const exported = [...text.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(
    ([, name, kind]) => `${name} ${kind}`,
  );
  expect(named.length).toBeGreaterThan(40);
  expect(named).toEqual(exported.sort());
  for (const [name] of page.matchAll(/\b(?:holdfast|nodejs|process)_[a-z0-9_]+/g)) {
    expect(exportedNames(text)).toContain(name);
  }
});

test('requests are counted by operation, errors by code, and slow ones apart', async () => {
  const text = new MetricsText(await rendered());
  expect(text.get('holdfast_errors_total{code="NoSuchBucket"}')).toBe(1);
  expect(text.sum('holdfast_errors_total')).toBe(1);
  expect(text.get('holdfast_slow_operations_total{operation="GetObject"}')).toBe(1);
  expect(text.sum('holdfast_requests_total')).toBe(3);
  expect(text.get('holdfast_scrub_validation_errors_total{area="segment"}')).toBe(1);
  expect(text.p99('holdfast_request_duration_seconds', ['operation', 'PutObject'])).toBe(0.001);
  const gets = (name: string): number | undefined =>
    text.get(`holdfast_request_duration_seconds_${name}`);
  expect(gets('bucket{le="0.0025",operation="GetObject"}')).toBe(0);
  expect(gets('bucket{le="0.005",operation="GetObject"}')).toBe(1);
  expect(gets('bucket{le="0.1",operation="GetObject"}')).toBe(1);
  expect(gets('bucket{le="60",operation="GetObject"}')).toBe(2);
  expect(gets('bucket{le="+Inf",operation="GetObject"}')).toBe(2);
  expect(gets('count{operation="GetObject"}')).toBe(2);
  expect(gets('sum{operation="GetObject"}')).toBeCloseTo(0.104);
});

test('histograms of the log are cumulative, and end with their count', async () => {
  const text = new MetricsText(await rendered());
  const buckets = text.labelled('holdfast_wal_batch_bytes_bucket').map(({ value }) => value);
  expect(buckets).toEqual([...buckets].sort((left, right) => left - right));
  expect(buckets.at(-1)).toBe(text.get('holdfast_wal_batch_bytes_count'));
  expect(text.average('holdfast_wal_batch_bytes')).toBe(8192);
  expect(text.get('holdfast_wal_append_latency_seconds_count')).toBe(3);
});

test('a scrape shows what is true when it is made', async () => {
  const env = await createMemoryEnv();
  const store = await openLocalStore({ env, directory: '/d', settings: { reserveSizeBytes: 0 } });
  const metrics = new Metrics({ sampleStorage: () => sampleStorage(store, env.clock.nowMs()) });
  const revision = async (): Promise<number | undefined> =>
    new MetricsText(await metrics.render()).get('holdfast_kv_revision');
  expect(await revision()).toBe(0);
  const key = Uint8Array.of(1);
  await store.transact({ operations: [{ kind: 'put', key, value: key }] });
  expect(await revision()).toBe(1);
  metrics.close();
  await store.close();
});

test('the age of a backup is infinite where there was none', async () => {
  expect(new MetricsText(await rendered()).get('holdfast_backup_age_seconds')).toBe(Infinity);
  const known = await rendered({ ...SERVICE, backupAgeMs: () => 5000 });
  expect(new MetricsText(known).get('holdfast_backup_age_seconds')).toBe(5);
  expect(statsReport(new MetricsText(known))).toMatch(/backup +5\.0 s old/);
});

test('the queue of each webhook is shown: what waits, and what was dropped', async () => {
  const eventQueues = () => [{ webhook: 'hook', waiting: 3, dropped: 2 }];
  const text = new MetricsText(await rendered({ ...SERVICE, eventQueues }));
  expect(text.get('holdfast_events_waiting{webhook="hook"}')).toBe(3);
  expect(text.get('holdfast_events_dropped_total{webhook="hook"}')).toBe(2);
});

test('the report for people has a line for each thing to watch', async () => {
  const report = statsReport(new MetricsText(await rendered()));
  for (const line of [
    /^up +60\.0 s$/m,
    /^requests +3 answered \(0\.1\/s\), 2 in flight$/m,
    /^ {2}GetObject +2 \(0\.0\/s\), average 52 ms, p99 up to 250 ms$/m,
    /^errors +NoSuchBucket 1$/m,
    /^slow +GetObject 1$/m,
    /^ {2}appends +3 records, average /m,
    /^ {2}batches +average 8\.0 KiB$/m,
    /^space +\d+\.\d % live \(14\.6 KiB\), compaction debt /m,
    /^damage +0 found by reads, 1 by the scrubber$/m,
    /^backup +none known$/m,
    /^last start +took .*: identity .*, log .*, index .*, replay .*, tidy /m,
  ]) {
    expect(report).toMatch(line);
  }
});

test('a leader tells how far the member furthest behind is, and the report says it', async () => {
  const metrics = new MetricsText(await rendered());
  expect(metrics.get('holdfast_cluster_lag_entries')).toBe(7);
  expect(metrics.get('holdfast_cluster_connected_members')).toBe(2);
  const report = statsReport(metrics);
  expect(report).toContain('cluster      this node leads, term 3, 2 of 3 members connected');
  expect(report).toContain('  behind     up to 7 entries');
});
