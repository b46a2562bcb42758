import type { LoadPlan } from '../load/generator.ts';
import { untilServersAreQuiet } from '../load/quiet.ts';
import { runGenerator } from '../load/run-generator.ts';
import type { ServerProcess } from '../load/server-process.ts';
import { installHoldfast } from '../peers/holdfast.ts';
import { startBaseline } from '../peers/koa-baseline-process.ts';
import { installS3rver, S3RVER_KEYS } from '../peers/s3rver.ts';
import { median, type SuiteResult } from '../report.ts';

const KEYS = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark-secret-key' };
/** Each with processes of its own: two of the same code differ by a tenth, each for as long as it runs. */
const ROUNDS = 5;
const BODY_BYTES = 4096;
const CONTENDERS = ['baseline', 'holdfast', 's3rver'] as const;

type Name = (typeof CONTENDERS)[number];

interface Contender {
  readonly name: Name;
  readonly server: ServerProcess;
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Requests a second, one figure a round. */
type Rates = Record<Name, number[]>;

/** Signed 4 KiB puts and gets over 32 connections, beside a koa server that stores nothing and s3rver. */
export async function measureSmallObjects(folder: (name: string) => string): Promise<SuiteResult> {
  const installed = await installHoldfast(folder('holdfast'));
  const s3rver = installS3rver(folder('s3rver'));
  const start = async (name: Name, round: number): Promise<Contender> => {
    if (name === 'baseline') return { name, server: await startBaseline(KEYS), keys: KEYS };
    const data = folder(`${name}-${round}`);
    return name === 'holdfast'
      ? { name, server: await installed.start(data, KEYS, ['bench']), keys: KEYS }
      : { name, server: await s3rver.start(data, 'bench'), keys: S3RVER_KEYS };
  };
  const puts: Rates = { baseline: [], holdfast: [], s3rver: [] };
  const gets: Rates = { baseline: [], holdfast: [], s3rver: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of CONTENDERS) {
      const contender = await start(name, round);
      try {
        puts[name].push(await measure(contender, 'PUT'));
        gets[name].push(await measure(contender, 'GET'));
      } finally {
        await contender.server.stop();
      }
    }
  }
  return {
    title: 'Signed 4 KiB objects, 32 connections',
    rows: [...rows('put, durable', puts, 0.6, 6), ...rows('get', gets, 0.7, undefined)],
  };
}

/** Requests a second of a server that is warm, and has nothing left to do of what warmed it up. */
async function measure(contender: Contender, method: 'GET' | 'PUT'): Promise<number> {
  await runGenerator(plan(contender, method));
  if (contender.name === 'holdfast') await untilServersAreQuiet([contender.server.port]);
  return (await runGenerator(plan(contender, method))).requestsPerSecond;
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
