import { invariant } from '@holdfast/bytes';
import { allEnded } from './all-ended.ts';
import { corruption, missingSegment } from './damage.ts';
import {
  isSpareName,
  parseSegmentName,
  pathIn,
  type SegmentName,
  segmentName,
} from './file-names.ts';
import { FileWindow } from './file-window.ts';
import { LastFile } from './last-file.ts';
import { BATCHES_IN_FLIGHT, BLOCK_BYTES } from './layout.ts';
import { OffsetList } from './offset-list.ts';
import type { Segment } from './segment.ts';
import { type LoadedSegment, loadSegment } from './segment-loader.ts';
import {
  examineTail,
  type ScanResult,
  scanSegment,
  scanStartOf,
  type TailFindings,
} from './segment-scan.ts';
import { largestBatchBytes, type Settings } from './settings.ts';
import { type FoundState, openSlots, readState, type SlotFiles } from './state-recovery.ts';

/** The end of the log as it is on disk: the next batch continues it. */
export interface LogEnd {
  /** The segment that takes the next batch; undefined where one must be made first. */
  active: Segment | undefined;
  position: number;
  /** Sequence of the last durable batch. */
  sequence: number;
  chain: number;
  /** Highest durable index. */
  index: number;
  /** Id of the newest segment; 0 where there is none. */
  segmentId: number;
}

/** What is read, made durable and written to: opened together, and for writing at once, for each open is two steps of a start. */
interface OpenFiles {
  /** The last segment; undefined where there is none. */
  readonly segment: LastFile | undefined;
  readonly slots: SlotFiles;
}

/** What has to be done before the log may be used; found by looking only. */
export interface Findings {
  /** For whoever has the findings to close. */
  readonly files: OpenFiles;
  readonly state: FoundState;
  /** In order, void ones taken out. */
  readonly segments: Segment[];
  readonly end: LogEnd;
  /** Files to remove: left-over spares, and segments whose records are all void. */
  readonly leftovers: readonly string[];
  /** Segments whose footer is missing or half written: the batches before it are whole. */
  readonly unsealed: readonly {
    readonly segment: Segment;
    readonly sequence: number;
    readonly chain: number;
  }[];
  /** Segments with whole batches of which nothing proves that they are durable. */
  readonly unproven: readonly Segment[];
  readonly tornTail:
    | { readonly segment: Segment; readonly offset: number; readonly end: number }
    | undefined;
  readonly records: number;
  readonly scannedBytes: number;
}

const PARALLEL_LOADS = 8;

/**
 * Reads the folder and decides, changing nothing that is read: so a refusal leaves everything as it was, and the
 * repair that follows can be interrupted and done again. The last segment is made durable meanwhile. The caller holds
 * the folder's lock.
 *
 * The decisions are the table in `docs/formats/wal.md`.
 */
export async function examineFolder(settings: Settings): Promise<Findings> {
  const listing = listFolder(settings);
  const open = await openFiles(settings, listing);
  try {
    return { ...(await examine(settings, await listing, open)), files: open };
  } catch (error) {
    await closeFiles(open);
    // Safety: a sync that failed comes before all that was found, for it has taken with it what the system knew of the failure.
    await open.segment?.synced();
    throw error;
  } finally {
    await open.segment?.window.close();
  }
}

/** What a folder holds: all its names, and the segments among them in order. */
interface Listing {
  readonly names: readonly string[];
  readonly segments: readonly SegmentName[];
}

async function listFolder({ env, directory }: Settings): Promise<Listing> {
  const names = await env.files.list(directory);
  const segments = names
    .map(parseSegmentName)
    .filter((name) => name !== undefined)
    .sort((left, right) => left.segmentId - right.segmentId);
  return { names, segments };
}

/** The slots' names are known: they are opened while the folder is listed. */
async function openFiles(settings: Settings, listing: Promise<Listing>): Promise<OpenFiles> {
  const { env, directory } = settings;
  const opening = listing.then(({ segments }) => {
    const last = segments.at(-1);
    return last && LastFile.open(env.files, pathIn(directory, last.name));
  });
  const slots = Promise.allSettled(openSlots(settings));
  const [segment] = await Promise.allSettled([opening]);
  const [a, b] = await slots;
  const files: OpenFiles = { segment: valueOf(segment), slots: [valueOf(a), valueOf(b)] };
  const failed = [segment, a, b].find((one) => one?.status === 'rejected');
  if (failed === undefined) return files;
  await closeFiles(files);
  throw failed.reason;
}

function valueOf<T>(settled: PromiseSettledResult<T> | undefined): T | undefined {
  return settled?.status === 'fulfilled' ? settled.value : undefined;
}

/** Idempotent. Waits for what is still going on with the files. */
export async function closeFiles({ segment, slots }: OpenFiles): Promise<void> {
  await Promise.all([segment, ...slots].map(async (file) => file?.close()));
}

async function examine(
  settings: Settings,
  { names, segments }: Listing,
  { segment: last, slots }: OpenFiles,
): Promise<Omit<Findings, 'files'>> {
  const reading = allEnded([
    loadAll(settings, segments, last),
    readState(settings, slots, segments.length === 0),
  ]);
  // Why here: the reads are waited for first, and there are few threads for both.
  last?.beginSync();
  const [loaded, found] = await reading;
  const examined = new FolderExaminer(settings, loaded, last);
  await examined.run();
  const kept = withoutVoid(loaded.map(({ segment }) => segment));
  const end = examined.end;
  const state = withRestart(found, kept);
  checkNewest(settings, state, end);
  checkCoverage(settings, kept, state, end);
  checkTerms(loaded, kept, state.state.firstIndex);
  const keptSet = new Set(kept);
  const voided = loaded.map(({ segment }) => segment).filter((segment) => !keptSet.has(segment));
  return {
    state,
    segments: kept,
    end,
    leftovers: [...names.filter(isSpareName), ...voided.map(({ name }) => name)],
    unsealed: examined.unsealed.filter(({ segment }) => keptSet.has(segment)),
    unproven: examined.unproven.filter((segment) => keptSet.has(segment)),
    tornTail: examined.tornTail,
    records: kept.reduce(
      (sum, segment) => sum + Math.max(0, segment.lastIndex - segment.baseIndex + 1),
      0,
    ),
    scannedBytes: examined.scannedBytes,
  };
}

async function loadAll(
  settings: Settings,
  names: readonly SegmentName[],
  last: LastFile | undefined,
): Promise<LoadedSegment[]> {
  const load = (name: SegmentName): Promise<LoadedSegment> =>
    loadSegment(settings, name, name === names.at(-1) ? last : undefined);
  const loaded: LoadedSegment[] = [];
  for (let start = 0; start < names.length; start += PARALLEL_LOADS) {
    const group = names.slice(start, start + PARALLEL_LOADS);
    loaded.push(...(await allEnded(group.map(load))));
  }
  return loaded;
}

/** Walks over the loaded segments, oldest first. */
class FolderExaminer {
  readonly #settings: Settings;
  readonly #loaded: readonly LoadedSegment[];
  readonly #last: LastFile | undefined;
  readonly unsealed: { segment: Segment; sequence: number; chain: number }[] = [];
  readonly unproven: Segment[] = [];
  tornTail: Findings['tornTail'];
  scannedBytes = 0;
  end: LogEnd = {
    active: undefined,
    position: 0,
    sequence: 0,
    chain: 0,
    index: 0,
    segmentId: 0,
  };

  constructor(settings: Settings, loaded: readonly LoadedSegment[], last: LastFile | undefined) {
    this.#settings = settings;
    this.#loaded = loaded;
    this.#last = last;
  }

  async run(): Promise<void> {
    for (const [position, loaded] of this.#loaded.entries()) {
      const next = this.#loaded[position + 1];
      const { segment, trailer } = loaded;
      this.#checkLink(loaded);
      this.end.segmentId = segment.id;
      if (trailer === undefined) {
        await this.#scan(loaded, next);
        continue;
      }
      this.scannedBytes += 2 * BLOCK_BYTES;
      this.end.active = undefined;
      this.end.sequence = trailer.sequence;
      this.end.chain = trailer.finalChain;
      this.end.index = segment.lastWrittenIndex;
    }
  }

  /** The header names the segment before and its chain, so that no segment is lost or exchanged. */
  #checkLink({ segment, header }: LoadedSegment): void {
    if (header.previousSegmentId !== this.end.segmentId || this.end.segmentId === 0) return;
    if (header.previousChain === this.end.chain && header.firstSequence === this.end.sequence + 1)
      return;
    throw corruption(segment.path, 0, 'it does not continue the segment before it');
  }

  async #scan(loaded: LoadedSegment, next: LoadedSegment | undefined): Promise<void> {
    const { segment, header } = loaded;
    const { env } = this.#settings;
    const own = next === undefined ? undefined : await env.files.open(segment.path, 'read');
    const window = own ? new FileWindow(own, segment.fileSizeBytes) : this.#last?.window;
    invariant(window !== undefined, 'the last segment is open');
    try {
      segment.offsets = new OffsetList();
      const start = scanStartOf(header, loaded.headerCrc);
      const result = await scanSegment(window, start, env, { records: segment });
      segment.endPosition = result.endPosition;
      if (result.durableSeq < result.sequence) this.unproven.push(segment);
      if (next !== undefined) this.#acceptSealed(segment, result, next);
      else await this.#acceptTail(segment, result, window);
      this.scannedBytes += window.readBytes;
    } finally {
      await window.close();
      await own?.close();
    }
  }

  /** A segment that is not the last was sealed: it must be whole up to its footer. */
  #acceptSealed(segment: Segment, result: ScanResult, next: LoadedSegment): void {
    const isNamed = next.header.previousSegmentId === segment.id;
    const isWhole = isNamed
      ? next.header.previousChain === result.chain
      : result.footer !== undefined;
    if (!isWhole) {
      const what = result.problem ?? 'batches are missing at its end';
      throw corruption(segment.path, result.endPosition, `${what}, and a later segment exists`);
    }
    this.unsealed.push({ segment, sequence: result.sequence + 1, chain: result.chain });
    this.#endAt(undefined, result, result.sequence + 1);
  }

  async #acceptTail(segment: Segment, result: ScanResult, window: FileWindow): Promise<void> {
    if (result.footer !== undefined) {
      this.unsealed.push({ segment, sequence: result.sequence + 1, chain: result.chain });
      this.#endAt(undefined, result, result.sequence + 1);
      return;
    }
    const quietBytes = BATCHES_IN_FLIGHT * largestBatchBytes(this.#settings);
    const sequence = result.sequence + 1;
    const { env } = this.#settings;
    const findings = await examineTail(
      window,
      result.endPosition,
      segment.nonce,
      sequence,
      quietBytes,
      env.crc32c,
    );
    this.#refuseDurable(segment, result, sequence, findings);
    if (findings.dirtyEnd !== undefined) {
      this.tornTail = { segment, offset: result.endPosition, end: findings.dirtyEnd };
    }
    this.#endAt(segment, result, result.sequence);
  }

  #refuseDurable(
    segment: Segment,
    result: ScanResult,
    sequence: number,
    findings: TailFindings,
  ): void {
    const { proof } = findings;
    if (proof === undefined) return;
    const what = result.problem ?? 'no whole batch header';
    throw corruption(
      segment.path,
      result.endPosition,
      `${what}, and the batch at byte ${proof.position} says that batch ${sequence} was synced`,
    );
  }

  #endAt(active: Segment | undefined, result: ScanResult, sequence: number): void {
    Object.assign(this.end, {
      active,
      position: result.endPosition,
      sequence,
      chain: result.chain,
      index: result.nextIndex - 1,
    });
  }
}

/**
 * Where a crash came between the segment that begins the log anew and the state that says so: the segment's name is
 * the commit point, so it counts.
 */
function withRestart(found: FoundState, kept: readonly Segment[]): FoundState {
  const first = kept.findLast(({ restarts }) => restarts);
  if (first === undefined || first.baseIndex <= found.state.firstIndex) return found;
  const { baseIndex: firstIndex, termBefore } = first;
  return { ...found, state: { ...found.state, firstIndex, termBefore }, isAmended: true };
}

/** Applies what later headers say: records at or above a later base are void. */
function withoutVoid(segments: readonly Segment[]): Segment[] {
  const kept: Segment[] = [];
  for (const segment of segments) {
    while ((kept.at(-1)?.baseIndex ?? 0) >= segment.baseIndex) kept.pop();
    // The ones before it end before it begins, so they are clipped already.
    const before = kept.at(-1);
    if (before !== undefined) before.clipIndex = Math.min(before.clipIndex, segment.baseIndex - 1);
    kept.push(segment);
  }
  return kept;
}

/**
 * Without this a missing newest segment would look like a crash between its predecessor's seal and itself.
 *
 * Safety: a segment is named in the state before a record in it is acknowledged, and after its own name is
 * durable. So no crash leaves a state that names a segment which is not there.
 */
function checkNewest({ directory }: Settings, { state }: FoundState, end: LogEnd): void {
  const { newest } = state;
  if (newest === undefined || newest.segmentId <= end.segmentId) return;
  throw missingSegment(pathIn(directory, segmentName(newest.baseIndex, newest.segmentId)));
}

/** From `firstIndex` to the end every record must be there, and nothing that was relied on may be missing. */
function checkCoverage(
  settings: Settings,
  segments: readonly Segment[],
  { state }: FoundState,
  end: LogEnd,
): void {
  let next = state.firstIndex;
  for (const segment of segments) {
    if (segment.baseIndex > next) {
      throw corruption(
        segment.path,
        0,
        `the records from ${next} to ${segment.baseIndex - 1} are missing`,
      );
    }
    next = Math.max(next, segment.lastIndex + 1);
  }
  const last = segments.at(-1);
  const path = last?.path ?? pathIn(settings.directory, '');
  const needed = Math.max(state.firstIndex - 1, state.hardState.commitIndex, state.durableIndex);
  if (end.index < needed) {
    throw corruption(
      path,
      last?.endPosition ?? 0,
      `the log ends with record ${end.index}, and record ${needed} was acknowledged`,
    );
  }
}

function checkTerms(
  loaded: readonly LoadedSegment[],
  kept: readonly Segment[],
  firstIndex: number,
): void {
  const headers = new Map(loaded.map(({ segment, header }) => [segment, header]));
  for (const [position, segment] of kept.entries()) {
    const before = kept[position - 1];
    if (before === undefined || before.lastIndex !== segment.baseIndex - 1) continue;
    // Why: a released segment may end with void records whose successors are removed by now.
    if (before.lastIndex < Math.max(before.baseIndex, firstIndex)) continue;
    if (headers.get(segment)?.termBefore === before.termAt(before.lastIndex)) continue;
    throw corruption(segment.path, 0, 'the record before it has another term than its header says');
  }
}
