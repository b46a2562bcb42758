import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BODY_BYTES, type ObjectShape } from '../load/bounds-entries.ts';
import type {
  LoadResult,
  OpenResult,
  PagesResult,
  PressResult,
  StoreCounts,
} from '../load/bounds-results.ts';
import type { Stalls } from '../load/stall-probe.ts';
import { median, type Row, type SuiteResult } from '../report.ts';

const PROCESS = fileURLToPath(new URL('../load/bounds-process.ts', import.meta.url));
const GIB = 1024 ** 3;
const MEMORY_LIMIT_BYTES = GIB;
const START_LIMIT_MS = 2000;
const STALL_LIMIT_MS = 50;
const OPENS = 3;
/** Bytes of log for each object: 10 GiB for ten million. */
const LOG_BYTES_PER_OBJECT: number = (10 * GIB) / 10_000_000;

/**
 * What does not grow with the data: memory, start, a page, stalls. Each step in a process of its own. A folder that an
 * earlier run has filled is taken as it is, and what was measured then is read from it. `shape`: what is written of each object.
 */
export async function measureBounds(
  folder: string,
  objects: number,
  shape: ObjectShape,
): Promise<SuiteResult> {
  const step = async <Result>(name: string): Promise<Result> => {
    process.stderr.write(`  ${name}\n`);
    // Whole objects have bodies, which are the log.
    const logBytes = shape === 'objects' ? 0 : Math.floor(objects * LOG_BYTES_PER_OBJECT);
    const args = [PROCESS, name, folder, String(objects), String(logBytes), shape];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return JSON.parse(stdout) as Result;
  };
  const noted = join(folder, 'load.json');
  if (!existsSync(noted)) writeFileSync(noted, JSON.stringify(await step<LoadResult>('load')));
  const loaded = JSON.parse(readFileSync(noted, 'utf8')) as LoadResult;
  const opens: OpenResult[] = [];
  for (let turn = 0; turn < OPENS; turn++) opens.push(await step<OpenResult>('open'));
  const pages = await step<PagesResult>('pages');
  await step<StoreCounts>('settle');
  const settledPages = await step<PagesResult>('pages');
  const pressed = await step<PressResult>('press');
  const rows = [
    memoryRow('while they are loaded', loaded.peakBytes),
    memoryRow('under the load of the last row', pressed.peakBytes),
    startRow(opens, loaded.counts),
    ...pageRows(pages, objects, 'as the load left them'),
    ...pageRows(settledPages, objects, 'when merges are done'),
    ...stallRows('the second half is loaded', loaded.stalls, {
      flushes: loaded.counts.flushes,
      merges: loaded.counts.merges,
    }),
    ...stallRows('all is read, written and compacted at once', pressed.stalls, pressed),
  ];
  return { title: titleOf(objects, shape, loaded), rows };
}

function titleOf(objects: number, shape: ObjectShape, { counts, seconds }: LoadResult): string {
  const many = `${(objects / 1e6).toFixed(objects < 1e6 ? 2 : 0)} million`;
  const what = {
    records: `${many} objects`,
    objects: `${many} whole objects of ${BODY_BYTES} bytes`,
  };
  return `${what[shape]}, ${(counts.tableEntries / 1e6).toFixed(1)} million entries, ${gib(counts.logBytes)} of log, ${gib(counts.tableBytes)} of tables, loaded in ${Math.round(seconds)} s`;
}

function memoryRow(when: string, peakBytes: number): Row {
  return {
    what: `most resident memory, ${when}`,
    holdfast: `${Math.round(peakBytes / 1024 ** 2)} MiB`,
    beside: '1 GiB',
    ratio: peakBytes / MEMORY_LIMIT_BYTES,
    reach: { atMost: 1 },
  };
}

function startRow(opens: readonly OpenResult[], loaded: StoreCounts): Row {
  const milliseconds = median(opens.map((each) => each.milliseconds));
  const chosen = opens.find((each) => each.milliseconds === milliseconds) as OpenResult;
  const steps = chosen.steps.map(({ name, durationMs }) => `${name} ${Math.round(durationMs)} ms`);
  return {
    what: `opening the store, ${gib(loaded.logBytes)} of log, of which ${Math.round(chosen.replayedBytes / 1024 ** 2)} MiB are replayed`,
    holdfast: `${Math.round(milliseconds)} ms`,
    beside: '2 s',
    ratio: milliseconds / START_LIMIT_MS,
    reach: { atMost: 1 },
    note: `${steps.join(', ')}. Each open in a fresh process; the files are in the page cache.`,
  };
}

function pageRows({ times, tableCount }: PagesResult, objects: number, when: string): Row[] {
  const row = (what: string, visit: 'first' | 'again'): Row => {
    const [ours, theirs] = (['large', 'small'] as const).map((size) =>
      median(times.map((each) => each[visit][size])),
    ) as [number, number];
    return {
      what,
      holdfast: `${ours.toFixed(2)} ms`,
      beside: `the same page out of 10,000: ${theirs.toFixed(2)} ms`,
      ratio: ours / theirs,
      reach: { atMost: 2 },
    };
  };
  return [
    row(
      `a page of 1000 records out of ${objects}, from anywhere; ${tableCount} tables, ${when}`,
      'first',
    ),
    row('that page again', 'again'),
  ];
}

function stallRows(
  when: string,
  stalls: Stalls,
  work: { readonly flushes: number; readonly merges: number; readonly movedBytes?: number },
): Row[] {
  const moved =
    work.movedBytes === undefined ? '' : `, ${gib(work.movedBytes)} moved by compaction`;
  const [load] = loadavg();
  const note = [
    `${work.flushes} flushes, ${work.merges} merges${moved}, ${stalls.majorGcs} major garbage collections;`,
    `99.9th percentile of the delay ${stalls.p999Ms.toFixed(1)} ms, ${stalls.over50} delays over 50 ms,`,
    `${stalls.ownOver50} of them in the thread's own time. Over ${Math.round(stalls.seconds)} s the thread had work`,
    `${Math.round(stalls.utilization * 100)} % of the time, and the process got ${stalls.cores.toFixed(2)} cores;`,
    `load of the machine ${load?.toFixed(1)}.`,
  ].join(' ');
  return [
    stallRow(`longest stall of the event loop while ${when}`, stalls.longestMs),
    {
      ...stallRow(`the same in the thread’s own processor time`, stalls.longestOwnMs),
      note,
    },
  ];
}

function stallRow(what: string, milliseconds: number): Row {
  return {
    what,
    holdfast: `${milliseconds.toFixed(1)} ms`,
    beside: '50 ms',
    ratio: milliseconds / STALL_LIMIT_MS,
    reach: { atMost: 1 },
  };
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(bytes < GIB ? 2 : 1)} GiB`;
}
