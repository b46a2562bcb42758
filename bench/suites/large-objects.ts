import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { LoadPlan } from '../load/generator.ts';
import { runGenerator } from '../load/run-generator.ts';
import { type InstalledHoldfast, installHoldfast } from '../peers/holdfast.ts';
import { hasNginx, startNginx } from '../peers/nginx.ts';
import { median, type Row, type SuiteResult } from '../report.ts';

const KEYS = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark-secret-key' };
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Of a get beside nginx, each of which is short: one alone is a third more or less. */
const GET_ROUNDS = 15;

/** Who gets: what is read at once decides how often the server is waked. */
interface Reader {
  readonly who: string;
  readonly readSizeBytes: number | undefined;
  readonly reach: Row['reach'];
}

const READERS: readonly Reader[] = [
  { who: 'a client of Node', readSizeBytes: undefined, reach: { atLeast: 1 } },
  { who: 'a client that reads 1 MiB at once', readSizeBytes: MIB, reach: undefined },
];

type Rates = Record<'nginx' | 'holdfast', number[]>;

/** 64 MiB gets beside nginx's sendfile, 1 GiB puts beside MD5 alone, and memory under 32 streams. */
export async function measureLargeObjects(folder: (name: string) => string): Promise<SuiteResult> {
  const installed = await installHoldfast(folder('holdfast'));
  return {
    title: 'Large objects',
    rows: [
      ...(await measureGet(installed, folder)),
      ...(await measurePut(installed, folder('put'))),
      await measureMemory(installed, folder('memory')),
    ],
  };
}

function basePlan(port: number, method: 'GET' | 'PUT', bodySizeBytes: number): LoadPlan {
  return {
    port,
    method,
    bucket: 'bench',
    keyPrefix: `${bodySizeBytes}-`,
    distinctKeys: 1,
    bodySizeBytes,
    connections: 1,
    requests: 1,
    warmUp: 0,
    ...KEYS,
    region: 'us-east-1',
    // Why: over TLS, clients leave the body's SHA-256 out; the bound here is MD5, which S3 always needs.
    unsignedPayload: true,
    // As today's SDKs send it. Where a client names no checksum, S3 computes CRC64NVME as well.
    crc32: true,
  };
}

async function measureGet(
  installed: InstalledHoldfast,
  folder: (name: string) => string,
): Promise<Row[]> {
  if (!hasNginx()) {
    const beside = 'nginx is not on this machine';
    const reach = { atLeast: 1 };
    return [{ what: '64 MiB get', holdfast: '-', beside, ratio: undefined, reach }];
  }
  const root = folder('nginx-root');
  mkdirSync(join(root, 'bench'), { recursive: true });
  writeFileSync(join(root, 'bench', `${64 * MIB}-0`), Buffer.alloc(64 * MIB, 7));
  const nginx = await startNginx(folder('nginx'), root);
  const holdfast = await installed.start(folder('get'), KEYS, ['bench']);
  try {
    await runGenerator(basePlan(holdfast.port, 'PUT', 64 * MIB));
    const rates = READERS.map((): Rates => ({ nginx: [], holdfast: [] }));
    for (let round = 0; round < GET_ROUNDS; round++) {
      for (const [at, { readSizeBytes }] of READERS.entries()) {
        for (const [name, port] of [
          ['nginx', nginx.port],
          ['holdfast', holdfast.port],
        ] as const) {
          const rate = await getRate({ ...basePlan(port, 'GET', 64 * MIB), readSizeBytes });
          rates[at]?.[name].push(rate);
        }
      }
    }
    return rates.map((each, at) => getRow(READERS[at] as Reader, each));
  } finally {
    await holdfast.stop();
    await nginx.stop();
  }
}

/** GB a second. */
async function getRate(plan: LoadPlan): Promise<number> {
  const { receivedBytes, seconds } = await runGenerator({ ...plan, requests: 16, warmUp: 4 });
  if (receivedBytes !== 16 * plan.bodySizeBytes) throw new Error(`${receivedBytes} bytes came`);
  return receivedBytes / seconds / 1e9;
}

function getRow({ who, reach }: Reader, rates: Rates): Row {
  const [ours, theirs] = [median(rates.holdfast), median(rates.nginx)];
  return {
    what: `64 MiB get, ${who}`,
    holdfast: `${ours.toFixed(2)} GB/s`,
    beside: `nginx sendfile, the same bytes: ${theirs.toFixed(2)} GB/s`,
    ratio: ours / theirs,
    reach,
  };
}

/** MD5 alone over 1 GiB in 1 MiB pieces on one core. */
function md5Rate(): number {
  const piece = Buffer.alloc(MIB, 7);
  const hash = createHash('md5');
  const start = performance.now();
  for (let done = 0; done < GIB; done += MIB) hash.update(piece);
  hash.digest();
  return GIB / (performance.now() - start) / 1e6;
}

/** The same while another process does it too: what a core gives when it is not alone. */
async function md5RateBesideAnother(): Promise<number> {
  const script =
    "const h = require('crypto').createHash('md5'); const p = Buffer.alloc(1 << 20, 7);";
  const other = spawn(process.execPath, ['-e', `${script} for (;;) h.update(p);`]);
  try {
    await once(other, 'spawn');
    return md5Rate();
  } finally {
    other.kill('SIGKILL');
  }
}

async function measurePut(installed: InstalledHoldfast, folder: string): Promise<Row[]> {
  const holdfast = await installed.start(folder, KEYS, ['bench']);
  try {
    const withCrc32: number[] = [];
    const withNone: number[] = [];
    const md5: number[] = [];
    const md5Beside: number[] = [];
    for (let round = 0; round < 5; round++) {
      md5.push(md5Rate());
      md5Beside.push(await md5RateBesideAnother());
      const plan = basePlan(holdfast.port, 'PUT', GIB);
      withCrc32.push(GIB / (await runGenerator(plan)).seconds / 1e9);
      withNone.push(GIB / (await runGenerator({ ...plan, crc32: false })).seconds / 1e9);
    }
    const bound = median(md5);
    const row = (what: string, rates: readonly number[], reach: Row['reach']): Row => ({
      what,
      holdfast: `${median(rates).toFixed(2)} GB/s`,
      beside: `MD5 alone on one core: ${bound.toFixed(2)} GB/s`,
      ratio: median(rates) / bound,
      reach,
    });
    return [
      {
        ...row('1 GiB put with its CRC-32, as SDKs send it', withCrc32, { atLeast: 0.8 }),
        ...(median(withCrc32) / bound < 0.8 && {
          note:
            `the generator, the server's thread and the hash each want a core, and there are ${availableParallelism()}; ` +
            `MD5 alone does ${median(md5Beside).toFixed(2)} GB/s while the other is busy.`,
        }),
      },
      row('1 GiB put without a checksum: CRC64NVME is computed too', withNone, undefined),
    ];
  } finally {
    await holdfast.stop();
  }
}

async function measureMemory(installed: InstalledHoldfast, folder: string): Promise<Row> {
  const holdfast = await installed.start(folder, KEYS, ['bench']);
  try {
    await runGenerator(basePlan(holdfast.port, 'PUT', GIB));
    await runGenerator({ ...basePlan(holdfast.port, 'GET', GIB) });
    const streams = { connections: 32, distinctKeys: 32, requests: 32 };
    await runGenerator({ ...basePlan(holdfast.port, 'PUT', 32 * MIB), ...streams });
    await runGenerator({ ...basePlan(holdfast.port, 'GET', 32 * MIB), ...streams });
    const peak = holdfast.peakResidentBytes() / 1e6;
    return {
      what: 'peak resident memory: 1 GiB put and get, then 32 streams of 32 MiB each way',
      holdfast: `${Math.round(peak)} MB`,
      beside: '300 MB',
      ratio: peak / 300,
      reach: { atMost: 1 },
    };
  } finally {
    await holdfast.stop();
  }
}
