import { closeSync, fdatasync, mkdirSync, openSync, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EtcdPlan } from '../load/etcd-load-process.ts';
import type { LoadPlan } from '../load/generator.ts';
import { RawConnection } from '../load/raw-client.ts';
import { runEtcdGenerator, runGenerator } from '../load/run-generator.ts';
import { signedHead } from '../load/sign-request.ts';
import type { EtcdCluster } from '../peers/etcd.ts';
import { startEtcd } from '../peers/etcd.ts';
import type { HoldfastCluster } from '../peers/holdfast-cluster.ts';
import { startHoldfastCluster } from '../peers/holdfast-cluster.ts';
import { median, type Row, type SuiteResult } from '../report.ts';

const KEYS = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark-secret-key' };
const REGION = 'us-east-1';
const BUCKET = 'bench';
const VALUE_BYTES = 4096;
const MIB = 1024 * 1024;
const FAILOVER_LIMIT_SECONDS = 2;
/**
 * Requests that both sides answer before anything is measured. Why: V8 compiles what is called often while it runs. The first
 * thousands of puts take nearly twice the processor time of those after 20,000, and etcd was compiled beforehand.
 */
const WARM_UP_PUTS = 24_000;
const WARM_UP_GETS = 12_000;
const WARM_UP_CLIENTS = 64;

/** How long it takes: a quick look, or what is kept. */
export interface ClusterBenchSize {
  readonly rounds: number;
  /** Measured requests of one client; more clients send more. */
  readonly requests: number;
  readonly kills: number;
}

export const WHOLE: ClusterBenchSize = { rounds: 5, requests: 2000, kills: 50 };
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
    rows.push(await failover(cluster, size));
    return { title: 'Three nodes on one machine', rows };
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
  const own: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const plan = s3Plan(cluster, method, clients, count, VALUE_BYTES);
    own.push((await runGenerator(plan)).requestsPerSecond);
    if (etcd === undefined) continue;
    const result = await runEtcdGenerator(etcdPlan(etcd, method, clients, count));
    theirs.push(result.requestsPerSecond);
  }
  const what = method === 'PUT' ? '4 KiB put, durable' : '4 KiB get, linearizable';
  const ratio = etcd === undefined ? undefined : median(own) / median(theirs);
  return {
    what: `${what}, ${clients} client${clients === 1 ? '' : 's'} of all nodes`,
    holdfast: `${Math.round(median(own))}/s`,
    beside:
      etcd === undefined
        ? 'etcd is not installed'
        : `etcd, gRPC to all members: ${Math.round(median(theirs))}/s`,
    ratio,
    reach: { atLeast },
  };
}

function s3Plan(
  { ports }: HoldfastCluster,
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
  { ports }: EtcdCluster,
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
  const own: number[] = [];
  const copies: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const plan = s3Plan(cluster, 'PUT', 8, count, MIB);
    own.push((await runGenerator(plan)).requestsPerSecond);
    copies.push(await syncedCopies(folder, count));
  }
  return {
    what: '1 MiB put, durable, 8 clients of all nodes',
    holdfast: `${median(own).toFixed(0)} MiB/s`,
    beside: `three files, 1 MiB written and synced in each: ${median(copies).toFixed(0)} MiB/s`,
    ratio: median(own) / median(copies),
    reach: { atLeast: 0.5 },
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

/** From `kill -9` of the leader to the first new write that another node acknowledges. */
async function failover(cluster: HoldfastCluster, { kills }: ClusterBenchSize): Promise<Row> {
  const seconds: number[] = [];
  for (let round = 0; round < kills; round++) {
    const leader = await cluster.leader();
    const port = cluster.ports[(leader + 1) % cluster.ports.length] as number;
    const start = performance.now();
    cluster.kill(leader);
    await putUntilTaken(port, `failover-${round}`);
    seconds.push((performance.now() - start) / 1000);
    await cluster.restart(leader);
  }
  seconds.sort((left, right) => left - right);
  const p99 = seconds[Math.ceil(seconds.length * 0.99) - 1] ?? 0;
  return {
    what: `first new write after the leader is killed, p99 of ${kills}`,
    holdfast: `${p99.toFixed(2)} s (median ${median(seconds).toFixed(2)} s)`,
    beside: `the limit: ${FAILOVER_LIMIT_SECONDS} s`,
    ratio: p99 / FAILOVER_LIMIT_SECONDS,
    reach: { atMost: 1 },
    note: `\n\n\`\`\`text\n${plot(seconds)}\n\`\`\``,
  };
}

async function putUntilTaken(port: number, key: string): Promise<void> {
  const body = Buffer.alloc(VALUE_BYTES, 1);
  const path = `/${BUCKET}/${key}`;
  const host = `127.0.0.1:${port}`;
  const connection = await RawConnection.open(port);
  try {
    for (;;) {
      const keys = { ...KEYS, region: REGION, nowMs: Date.now() };
      const head = signedHead({ method: 'PUT', path, host, body }, keys);
      const { status } = await connection.exchange([head, body]);
      if (status === 200) return;
      if (status !== 503) throw new Error(`the put was answered with ${status}`);
    }
  } finally {
    connection.close();
  }
}

/** A bar for each tenth of a second. */
function plot(seconds: readonly number[]): string {
  const slots = new Map<number, number>();
  for (const one of seconds) {
    const slot = Math.floor(one * 10);
    slots.set(slot, (slots.get(slot) ?? 0) + 1);
  }
  const last = Math.max(...slots.keys());
  return Array.from({ length: last + 1 }, (_, slot) => {
    const count = slots.get(slot) ?? 0;
    return `${(slot / 10).toFixed(1)} s ${'#'.repeat(count)}${count === 0 ? '' : ` ${count}`}`;
  }).join('\n');
}
