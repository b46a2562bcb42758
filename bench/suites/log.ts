import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { term } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { openWal, type Wal } from '@holdfast/wal';
import { untilQuiet } from '../load/quiet.ts';
import { median, type Row, type SuiteResult } from '../report.ts';
import { raftWalFigures } from './raft-wal-figures.ts';

const IDENTITY = { clusterId: 'c'.repeat(32), nodeId: 'd'.repeat(32) };
const BLOCK = 4096;
const ROUNDS = 5;

/** Group commit beside a bare loop, and the six figures that raft-wal's page prints. */
export async function measureLog(folder: (name: string) => string): Promise<SuiteResult> {
  const env = await createNodeEnv();
  try {
    // Why first: raft-wal's figures are of a process that did nothing else before.
    const figures = await raftWalFigures(env, folder);
    return {
      title: 'The log',
      rows: [
        await durable(env, folder, {
          sizeBytes: 128,
          writers: 256,
          records: 400_000,
          atLeast: 0.6,
        }),
        await durable(env, folder, { ...FOUR_KIB, afterIdleTime: true, atLeast: 0.78 }),
        await durable(env, folder, FOUR_KIB),
        ...figures,
      ],
    };
  } finally {
    await env.digests.close();
  }
}

interface Appends {
  readonly sizeBytes: number;
  readonly writers: number;
  readonly records: number;
  /**
   * Whether the log was idle for a second before, after as many appends: then it has filled the segments that they go
   * into, as the bare loop's file is filled. Otherwise they follow others without a pause.
   */
  readonly afterIdleTime?: boolean;
  readonly atLeast?: number;
}

const FOUR_KIB: Appends = { sizeBytes: 4096, writers: 64, records: 60_000 };

async function durable(
  env: Env,
  folder: (name: string) => string,
  { sizeBytes, writers, records, afterIdleTime = false, atLeast }: Appends,
): Promise<Row> {
  const ours: number[] = [];
  const bound: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const directory = folder(`durable-${sizeBytes}${afterIdleTime ? '-idle' : ''}-${round}`);
    const wal = await openWal({ env, directory, identity: IDENTITY });
    await driveWriters(wal, sizeBytes, writers, afterIdleTime ? records : writers * 200);
    if (afterIdleTime) await untilQuiet(() => wal.stats().spareBytes);
    const before = wal.stats().batches;
    const rate = await driveWriters(wal, sizeBytes, writers, records);
    const perBatch = records / (wal.stats().batches - before);
    await wal.close();
    const bare = bareLoop(join(directory, 'bare'), env, sizeBytes, perBatch, records);
    ours.push(rate);
    bound.push(bare);
    ratios.push(rate / bare);
  }
  return {
    what: `durable ${sizeBytes}-byte appends, ${writers} writers, ${afterIdleTime ? 'after an idle second' : 'without a pause'}`,
    holdfast: `${Math.round(median(ours))}/s`,
    beside: `a bare loop that writes and syncs batches of the same size: ${Math.round(median(bound))}/s${sizeBytes === 128 ? "; VeriStore's page: 104,167/s" : ''}`,
    ratio: median(ratios),
    reach: atLeast === undefined ? undefined : { atLeast },
  };
}

/** Each writer appends, waits until that record is durable, and appends again. Records a second. */
async function driveWriters(
  wal: Wal,
  sizeBytes: number,
  writers: number,
  records: number,
): Promise<number> {
  const request = { term: term(1), kind: 1, head: new Uint8Array(sizeBytes).fill(7) };
  let left = records;
  const start = performance.now();
  const writer = async (): Promise<void> => {
    while (left-- > 0) await wal.whenDurable(wal.append(request).index);
  };
  await Promise.all(Array.from({ length: writers }, writer));
  return (records / (performance.now() - start)) * 1000;
}

/**
 * The bound: one thread that does nothing but write and sync blocks of as many record bytes, into a
 * file already filled, in the way that is fastest here (O_DIRECT and O_DSYNC). Records a second.
 */
function bareLoop(
  path: string,
  env: Env,
  sizeBytes: number,
  perBatch: number,
  records: number,
): number {
  const batchBytes = Math.ceil((perBatch * sizeBytes) / BLOCK) * BLOCK;
  const buffer = env.files.allocate(batchBytes);
  const fileBytes = Math.ceil((64 * 1024 * 1024) / batchBytes) * batchBytes;
  const filler = openSync(path, 'w');
  const zeros = new Uint8Array(1024 * 1024);
  for (let at = 0; at < fileBytes; at += zeros.length)
    writeSync(filler, zeros, 0, zeros.length, at);
  closeSync(filler);
  const file = openSync(path, constants.O_WRONLY | constants.O_DIRECT | constants.O_DSYNC);
  const batches = Math.round(records / perBatch);
  const start = performance.now();
  for (let batch = 0; batch < batches; batch++) {
    writeSync(file, buffer, 0, batchBytes, (batch * batchBytes) % fileBytes);
  }
  const seconds = (performance.now() - start) / 1000;
  closeSync(file);
  return (batches * perBatch) / seconds;
}
