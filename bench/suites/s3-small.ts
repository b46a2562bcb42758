import type { LoadPlan } from '../load/generator.ts';
import { untilServersAreQuiet } from '../load/quiet.ts';
import { runGenerator } from '../load/run-generator.ts';
import type { ServerProcess } from '../load/server-process.ts';
import { installHoldfast } from '../peers/holdfast.ts';
import { startBaseline } from '../peers/koa-baseline-process.ts';
import { S3RVER_KEYS, startS3rver } from '../peers/s3rver.ts';
import { median, type SuiteResult } from '../report.ts';

const KEYS = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark-secret-key' };
const ROUNDS = 5;
const BODY_BYTES = 4096;

interface Contender {
  readonly name: 'baseline' | 'holdfast' | 's3rver';
  readonly server: ServerProcess;
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Signed 4 KiB puts and gets over 32 connections, beside a koa server that stores nothing and s3rver. */
export async function measureSmallObjects(folder: (name: string) => string): Promise<SuiteResult> {
  const contenders: Contender[] = [];
  const installed = await installHoldfast(folder('holdfast'));
  try {
    contenders.push({ name: 'baseline', server: await startBaseline(KEYS), keys: KEYS });
    contenders.push({
      name: 'holdfast',
      server: await installed.start(folder('small'), KEYS, ['bench']),
      keys: KEYS,
    });
    contenders.push({
      name: 's3rver',
      server: await startS3rver(folder('s3rver'), 'bench'),
      keys: S3RVER_KEYS,
    });
    const puts = await measure(contenders, 'PUT');
    const gets = await measure(contenders, 'GET');
    return {
      title: 'Signed 4 KiB objects, 32 connections',
      rows: [...rows('put, durable', puts, 0.6, 6), ...rows('get', gets, 0.7, undefined)],
    };
  } finally {
    for (const contender of contenders) await contender.server.stop();
  }
}

type Rates = Record<Contender['name'], number[]>;

async function measure(contenders: readonly Contender[], method: 'GET' | 'PUT'): Promise<Rates> {
  const rates: Rates = { baseline: [], holdfast: [], s3rver: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of contenders) {
      const result = await runGenerator(plan(contender, method));
      rates[contender.name].push(result.requestsPerSecond);
      if (contender.name === 'holdfast') await untilServersAreQuiet([contender.server.port]);
    }
  }
  return rates;
}

function plan(contender: Contender, method: 'GET' | 'PUT'): LoadPlan {
  const slow = contender.name === 's3rver';
  return {
    port: contender.server.port,
    method,
    bucket: 'bench',
    keyPrefix: 'object-',
    distinctKeys: 1000,
    bodySizeBytes: BODY_BYTES,
    connections: 32,
    requests: slow ? 3000 : 20_000,
    warmUp: slow ? 1000 : 4000,
    ...contender.keys,
    region: 'us-east-1',
    unsignedPayload: false,
    crc32: false,
  };
}

function rows(
  what: string,
  rates: Rates,
  reachBaseline: number,
  reachPeer: number | undefined,
): SuiteResult['rows'] {
  const holdfast = median(rates.holdfast);
  const baseline = median(rates.baseline);
  const s3rver = median(rates.s3rver);
  const shown = `${Math.round(holdfast)}/s`;
  return [
    {
      what,
      holdfast: shown,
      beside: `koa that authenticates and hashes, and stores nothing: ${Math.round(baseline)}/s`,
      ratio: holdfast / baseline,
      reach: { atLeast: reachBaseline },
    },
    {
      what,
      holdfast: shown,
      beside: `s3rver, which syncs nothing: ${Math.round(s3rver)}/s`,
      ratio: holdfast / s3rver,
      reach: reachPeer === undefined ? undefined : { atLeast: reachPeer },
    },
  ];
}
