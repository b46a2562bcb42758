import { closeSync, fdatasync, mkdirSync, openSync, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EtcdPlan } from '../load/etcd-load-process.ts';
import type { LoadPlan } from '../load/generator.ts';
import type { LoadResult } from '../load/load-process.ts';
import { untilServersAreQuiet } from '../load/quiet.ts';
import { runEtcdGenerator, runGenerator } from '../load/run-generator.ts';
import type { EtcdCluster } from '../peers/etcd.ts';
import { startEtcd } from '../peers/etcd.ts';
import type { HoldfastCluster } from '../peers/holdfast-cluster.ts';
import { startHoldfastCluster } from '../peers/holdfast-cluster.ts';
import { median, type Row, type SuiteResult } from '../report.ts';
import { FAILOVER_PICTURE, measureFailover } from './failover.ts';
import { inRounds } from './rounds.ts';

const KEYS = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark-secret-key' };
const REGION = 'us-east-1';
const BUCKET = 'bench';
const VALUE_BYTES = 4096;
const MIB = 1024 * 1024;
/**
 * Requests that both sides answer before anything is measured. Why: V8 compiles what is called often while it runs. The first
 * thousands of puts of a node take nearly twice the processor time of those after 20,000, and etcd was compiled beforehand.
 */
const WARM_UP_PUTS = 60_000;
const WARM_UP_GETS = 30_000;
const WARM_UP_CLIENTS = 64;

/** How long it takes: a quick look, or what is kept. */
export interface ClusterBenchSize {
  readonly rounds: number;
  /** Measured requests of one client; more clients send more. */
  readonly requests: number;
  readonly kills: number;
}

export const WHOLE: ClusterBenchSize = { rounds: 5, requests: 2100, kills: 50 };
export const SMALL: ClusterBenchSize = { rounds: 1, requests: 300, kills: 3 };

/** Three nodes beside a three-member etcd of the same machine, durable both; failover; large puts beside synced copies. */
export async function measureCluster(root: string, size: ClusterBenchSize): Promise<SuiteResult> {
  const folder = (name: string): string => {
    const path = join(root, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const cluster = await startHoldfastCluster(folder('holdfast'), KEYS, BUCKET);
  const etcd = await startEtcd(folder('etcd'));
  try {
    const rows: Row[] = [];
    await warmUp(cluster, etcd);
    for (const [clients, atLeast] of [
      [1, 1.5],
      [64, 3],
      [256, 3],
    ] as const) {
      rows.push(await compare(cluster, etcd, size, { method: 'PUT', clients, atLeast }));
    }
    rows.push(await compare(cluster, etcd, size, { method: 'GET', clients: 64, atLeast: 2 }));
    await etcd?.stop();
    rows.push(await largePuts(cluster, folder('copies'), size));
    process.stderr.write(`measuring failover, ${size.kills} kills\n`);
    const options = { cluster, keys: KEYS, region: REGION, bucket: BUCKET, kills: size.kills };
    const { row, svg } = await measureFailover(options);
    rows.push(row);
    const pictures = [{ name: FAILOVER_PICTURE, svg }];
    return { title: 'Three nodes on one machine', rows, pictures };
  } finally {
    await cluster.stop();
    await etcd?.stop();
  }
}

async function warmUp(cluster: HoldfastCluster, etcd: EtcdCluster | undefined): Promise<void> {
  for (const [method, count] of [
    ['PUT', WARM_UP_PUTS],
    ['GET', WARM_UP_GETS],
  ] as const) {
    await runGenerator(s3Plan(cluster, method, WARM_UP_CLIENTS, count, VALUE_BYTES));
    await untilServersAreQuiet(cluster.ports);
    if (etcd !== undefined) await runEtcdGenerator(etcdPlan(etcd, method, WARM_UP_CLIENTS, count));
  }
}

interface Comparison {
  readonly method: 'PUT' | 'GET';
  readonly clients: number;
  readonly atLeast: number;
}

async function compare(
  cluster: HoldfastCluster,
  etcd: EtcdCluster | undefined,
  { rounds, requests }: ClusterBenchSize,
  { method, clients, atLeast }: Comparison,
): Promise<Row> {
  const count = requests * (clients === 1 ? 1 : 8);
  const what = `${method === 'PUT' ? '4 KiB put, durable' : '4 KiB get, linearizable'}, ${clients === 1 ? '1 client, of each node in turn' : `${clients} clients of all nodes`}`;
  process.stderr.write(`measuring ${what}\n`);
  const own: number[] = [];
  const theirs: number[] = [];
  let refusals = 0;
  const failures = await inRounds('round', rounds, async () => {
    const results = await inParts(cluster.ports, clients, (ports, share) =>
      runGenerator(s3Plan({ ports }, method, clients, count / share, VALUE_BYTES)),
    );
    await untilServersAreQuiet(cluster.ports);
    for (const result of results) refusals += result.refusals;
    own.push(overall(results));
    if (etcd === undefined) return;
    const beside = await inParts(etcd.ports, clients, (ports, share) =>
      runEtcdGenerator(etcdPlan({ ports }, method, clients, count / share)),
    );
    theirs.push(overall(beside));
  });
  const rate = (values: readonly number[]): string =>
    values.length === 0 ? 'no round ended' : `${Math.round(median(values))}/s`;
  return {
    what,
    holdfast: `${rate(own)}${refusals === 0 ? '' : `, ${refusals} answers of 503`}`,
    beside:
      etcd === undefined ? 'etcd is not installed' : `etcd, gRPC to all members: ${rate(theirs)}`,
    ratio: theirs.length === 0 ? undefined : median(own) / median(theirs),
    reach: { atLeast },
    ...(failures.length > 0 && { note: failures.join('; ') }),
  };
}

/** Once for all nodes; a single client, which asks one of them, of each in turn: who asks the leader is answered sooner. */
async function inParts(
  ports: readonly number[],
  clients: number,
  run: (ports: readonly number[], share: number) => Promise<LoadResult>,
): Promise<readonly LoadResult[]> {
  if (clients > 1) return [await run(ports, 1)];
  const results: LoadResult[] = [];
  for (const port of ports) results.push(await run([port], ports.length));
  return results;
}

/** Requests a second of all parts, each of which had as many. */
function overall(results: readonly LoadResult[]): number {
  const secondsEach = results.map(({ requestsPerSecond }) => 1 / requestsPerSecond);
  return results.length / secondsEach.reduce((sum, seconds) => sum + seconds, 0);
}

function s3Plan(
  { ports }: Pick<HoldfastCluster, 'ports'>,
  method: 'PUT' | 'GET',
  connections: number,
  requests: number,
  bodySizeBytes: number,
): LoadPlan {
  const [port = 0, ...morePorts] = ports;
  return {
    port,
    morePorts,
    method,
    bucket: BUCKET,
    keyPrefix: bodySizeBytes === VALUE_BYTES ? 'object-' : 'large-',
    distinctKeys: bodySizeBytes === VALUE_BYTES ? 1000 : 16,
    bodySizeBytes,
    connections,
    requests,
    warmUp:
      bodySizeBytes === VALUE_BYTES ? unmeasured(requests) : Math.max(Math.ceil(requests / 10), 16),
    ...KEYS,
    region: REGION,
    unsignedPayload: false,
    crc32: false,
  };
}

function etcdPlan(
  { ports }: Pick<EtcdCluster, 'ports'>,
  method: 'PUT' | 'GET',
  clients: number,
  requests: number,
): EtcdPlan {
  return {
    ports,
    method: method === 'PUT' ? 'Put' : 'Range',
    distinctKeys: 1000,
    valueSizeBytes: VALUE_BYTES,
    clients,
    requests,
    warmUp: unmeasured(requests),
  };
}

/** Requests of a generator before those it measures: it is a process that was just started too. */
function unmeasured(requests: number): number {
  return Math.max(Math.ceil(requests / 10), 1000);
}

/** Objects of 1 MiB beside the same bytes written to three files and synced, one after another for all three. */
async function largePuts(
  cluster: HoldfastCluster,
  folder: string,
  { rounds, requests }: ClusterBenchSize,
): Promise<Row> {
  const count = Math.max(32, Math.ceil(requests / 10));
  const what = '1 MiB put, durable, 8 clients of all nodes';
  process.stderr.write(`measuring ${what}\n`);
  const own: number[] = [];
  const copies: number[] = [];
  const failures = await inRounds('round', rounds, async () => {
    const { requestsPerSecond } = await runGenerator(s3Plan(cluster, 'PUT', 8, count, MIB));
    await untilServersAreQuiet(cluster.ports);
    copies.push(await syncedCopies(folder, count));
    own.push(requestsPerSecond);
  });
  const rate = (values: readonly number[]): string =>
    values.length === 0 ? 'no round ended' : `${median(values).toFixed(0)} MiB/s`;
  return {
    what,
    holdfast: rate(own),
    beside: `three files, 1 MiB written and synced in each: ${rate(copies)}`,
    ratio: own.length === 0 ? undefined : median(own) / median(copies),
    reach: { atLeast: 0.5 },
    ...(failures.length > 0 && { note: failures.join('; ') }),
  };
}

/** MiB a second that are in all three files. */
async function syncedCopies(folder: string, count: number): Promise<number> {
  const files = [0, 1, 2].map((at) => openSync(join(folder, `copy-${at}`), 'w'));
  const body = Buffer.alloc(MIB, 7);
  const [writeTo, sync] = [promisify(write), promisify(fdatasync)];
  const start = performance.now();
  for (let at = 0; at < count; at++) {
    await Promise.all(
      files.map(async (file) => {
        await writeTo(file, body, 0, MIB, at * MIB);
        await sync(file);
      }),
    );
  }
  const seconds = (performance.now() - start) / 1000;
  for (const file of files) closeSync(file);
  return count / seconds;
}
