import { type LogIndex, logIndex, term } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { type AppendRequest, openWal, type Wal, type WalOptions } from '@holdfast/wal';
import { median, type Row } from '../report.ts';

const IDENTITY = { clusterId: 'c'.repeat(32), nodeId: 'd'.repeat(32) };
/** One for all appends: what is measured is the log, not the making of requests. */
const REQUEST: AppendRequest = { term: term(1), kind: 1, head: new Uint8Array(128).fill(7) };
const ROUNDS = 5;
const RECOVERED_RECORDS = 10_000;

/** One figure of raft-wal's page, how it is measured here, and what is printed beside it. */
interface Figure {
  readonly what: string;
  readonly unit: 'ns' | 'us' | 'ms';
  readonly beside: string;
  /** What the ratio is taken against, in `unit`. */
  readonly theirs: number;
  /** Largest ratio that counts as reached; printed only where undefined. */
  readonly atMost?: number;
  /** Milliseconds for one operation. */
  readonly measure: (wal: Wal) => Promise<number>;
}

const FIGURES: readonly Figure[] = [
  {
    what: 'append, buffered, 128 bytes',
    unit: 'ns',
    beside: 'reach: 250 ns; raft-wal’s page: 210 ns',
    theirs: 250,
    atMost: 1,
    measure: bufferedAppends,
  },
  {
    what: 'append and sync, one',
    unit: 'us',
    beside: 'raft-wal’s page (0.8): 980 us',
    theirs: 980,
    measure: (wal) => syncedAppends(wal, 1),
  },
  {
    what: 'ten appends and one sync',
    unit: 'us',
    beside: 'raft-wal’s page: 2.9 us unsynced; 4,200 us synced (0.8)',
    theirs: 4200,
    measure: (wal) => syncedAppends(wal, 10),
  },
  {
    what: 'get, promise included',
    unit: 'ns',
    beside: 'raft-wal’s page: 1 ns (a reference into memory, unchecked)',
    theirs: 1,
    measure: gets,
  },
  {
    what: 'range of 100',
    unit: 'us',
    beside: 'raft-wal’s page: 3.2 us',
    theirs: 3.2,
    measure: ranges,
  },
];

/** The six figures that raft-wal's page prints, with the synced ones beside them. */
export async function raftWalFigures(
  env: Env,
  folder: (name: string) => string,
): Promise<readonly Row[]> {
  const measured = FIGURES.map((): number[] => []);
  const oneSegment: number[] = [];
  const manySegments: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const wal = await openWal({ env, directory: folder(`figures-${round}`), identity: IDENTITY });
    for (let warm = 0; warm < 10; warm++) await wal.whenDurable(appendAll(wal, 10_000));
    for (const [at, figure] of FIGURES.entries()) measured[at]?.push(await figure.measure(wal));
    await wal.close();
    const base = { env, identity: IDENTITY, preallocate: false };
    oneSegment.push(await recovery({ ...base, directory: folder(`one-${round}`) }));
    manySegments.push(
      await recovery({
        ...base,
        directory: folder(`many-${round}`),
        segmentSizeBytes: 256 * 1024,
      }),
    );
  }
  return [
    ...FIGURES.map((figure, at) => figureRow(figure, median(measured[at] ?? []))),
    recoveryRow('one segment', '1.2 ms', median(oneSegment)),
    recoveryRow('many segments', '2.0 ms', median(manySegments)),
  ];
}

function figureRow({ what, unit, beside, theirs, atMost }: Figure, milliseconds: number): Row {
  const value = milliseconds * { ns: 1e6, us: 1e3, ms: 1 }[unit];
  return {
    what,
    holdfast: `${value.toFixed(unit === 'ns' ? 0 : 1)} ${unit}`,
    beside,
    ratio: value / theirs,
    reach: atMost === undefined ? undefined : { atMost },
  };
}

function recoveryRow(how: string, theirs: string, milliseconds: number): Row {
  return {
    what: `recovery of 10,000, ${how}`,
    holdfast: `${milliseconds.toFixed(2)} ms`,
    beside: `reach: 3 ms; raft-wal’s page: ${theirs}`,
    ratio: milliseconds / 3,
    reach: { atMost: 1 },
  };
}

function appendAll(wal: Wal, count: number): LogIndex {
  let last = wal.lastIndex;
  for (let at = 0; at < count; at++) last = wal.append(REQUEST).index;
  return last;
}

async function bufferedAppends(wal: Wal): Promise<number> {
  let spentMs = 0;
  for (let turn = 0; turn < 20; turn++) {
    const start = performance.now();
    const last = appendAll(wal, 5_000);
    spentMs += performance.now() - start;
    await wal.whenDurable(last);
  }
  return spentMs / 100_000;
}

async function syncedAppends(wal: Wal, together: number): Promise<number> {
  const start = performance.now();
  for (let at = 0; at < 500; at++) await wal.whenDurable(appendAll(wal, together));
  return (performance.now() - start) / 500;
}

async function gets(wal: Wal): Promise<number> {
  const last = wal.lastIndex;
  const start = performance.now();
  for (let at = 0; at < 20_000; at++) await wal.read(logIndex(last - (at % 1000)));
  return (performance.now() - start) / 20_000;
}

async function ranges(wal: Wal): Promise<number> {
  const last = wal.lastIndex;
  const start = performance.now();
  for (let at = 0; at < 2000; at++) {
    const from = last - 100 - (at % 1000);
    await wal.readRange(logIndex(from), logIndex(from + 100), 1e9);
  }
  return (performance.now() - start) / 2000;
}

/** Milliseconds to open a log of 10,000 records of 128 bytes: the median of five opens. */
async function recovery(options: WalOptions): Promise<number> {
  const wal = await openWal(options);
  for (let done = 0; done < RECOVERED_RECORDS; done += 100) {
    await wal.whenDurable(appendAll(wal, 100));
  }
  await wal.close();
  const times: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    const start = performance.now();
    const opened = await openWal(options);
    times.push(performance.now() - start);
    if (opened.lastIndex !== RECOVERED_RECORDS) throw new Error(`recovered ${opened.lastIndex}`);
    await opened.close();
  }
  return median(times);
}
