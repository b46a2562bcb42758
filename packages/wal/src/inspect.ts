import type { Env, FileHandle } from '@holdfast/env';
import type { BatchHeader } from './batch-header.ts';
import { LOCK_NAME, parseSegmentName, pathIn, STATE_NAMES } from './file-names.ts';
import { FileWindow } from './file-window.ts';
import { BLOCK_BYTES } from './layout.ts';
import { decodeTrailer } from './segment-footer.ts';
import { decodeSegmentHeader, type SegmentHeader } from './segment-header.ts';
import { scanSegment, scanStartOf } from './segment-scan.ts';
import { decodeStateSlot, type StateSlot } from './state-slots.ts';

/** One thing found in the folder of a log, in the order of the files. Plain data: JSON as it is. */
export type WalFinding =
  | {
      readonly kind: 'state';
      readonly file: string;
      readonly slot: StateSlot | 'missing' | 'damaged' | 'newer';
    }
  | {
      readonly kind: 'segment';
      readonly file: string;
      readonly sizeBytes: number;
      readonly header: SegmentHeader | 'damaged' | 'newer';
    }
  | {
      readonly kind: 'batch';
      readonly file: string;
      readonly offset: number;
      readonly header: BatchHeader & { readonly chain: number };
    }
  | {
      readonly kind: 'end';
      readonly file: string;
      /** Behind the last whole batch. */
      readonly offset: number;
      readonly lastIndex: number;
      readonly sealed: boolean;
      /** What is behind it, where that is neither zeros nor a footer. */
      readonly problem: string | undefined;
    }
  | { readonly kind: 'other'; readonly file: string; readonly sizeBytes: number };

/**
 * Everything in the folder of a log, verified, damaged or not. Reads only and takes no lock, so it may be
 * used beside a running process (then the end of the newest segment may be in motion).
 *
 * Rejects with the `FileError` of the system where the folder or a file cannot be read.
 */
export async function* inspectWal(env: Env, directory: string): AsyncGenerator<WalFinding> {
  for (const file of STATE_NAMES) yield await inspectState(env, directory, file);
  const names = await env.files.list(directory);
  const segments = names
    .map(parseSegmentName)
    .filter((name) => name !== undefined)
    .sort((left, right) => left.segmentId - right.segmentId);
  for (const { name } of segments) yield* inspectSegment(env, directory, name);
  const known = new Set([LOCK_NAME, ...STATE_NAMES, ...segments.map(({ name }) => name)]);
  for (const file of names) {
    if (known.has(file)) continue;
    const stat = await env.files.stat(pathIn(directory, file));
    yield { kind: 'other', file, sizeBytes: stat?.sizeBytes ?? 0 };
  }
}

/** A finding as a line for people. */
export function describeFinding(finding: WalFinding): string {
  switch (finding.kind) {
    case 'state':
      return `${finding.file}: ${describeSlot(finding.slot)}`;
    case 'segment':
      return `${finding.file}: ${finding.sizeBytes} bytes, ${describeHeader(finding.header)}`;
    case 'batch':
      return `  ${finding.offset}: ${describeBatch(finding.header)}`;
    case 'end': {
      const state = finding.sealed ? 'sealed' : 'open';
      const problem = finding.problem === undefined ? '' : `; then: ${finding.problem}`;
      return `  ${finding.offset}: end, ${state}, last index ${finding.lastIndex}${problem}`;
    }
    case 'other':
      return `${finding.file}: ${finding.sizeBytes} bytes, not part of the log`;
  }
}

function describeSlot(slot: StateSlot | string): string {
  if (typeof slot === 'string') return slot;
  const { hardState, firstIndex, newest } = slot.state;
  const vote = hardState.votedFor ?? 'nobody';
  return (
    `version ${slot.version}, term ${hardState.term}, voted for ${vote}, ` +
    `commit index ${hardState.commitIndex}, first index ${firstIndex}, ` +
    `newest segment ${newest?.segmentId ?? 'not known'}`
  );
}

function describeHeader(header: SegmentHeader | string): string {
  if (typeof header === 'string') return `header ${header}`;
  return (
    `segment ${header.segmentId} from index ${header.baseIndex}${describeFlags(header)}, ` +
    `after segment ${header.previousSegmentId}, cluster ${header.identity.clusterId}, node ${header.identity.nodeId}`
  );
}

function describeFlags({ truncates, restarts }: SegmentHeader): string {
  if (restarts) return ' (begins the log)';
  return truncates ? ' (truncates)' : '';
}

function describeBatch(header: BatchHeader): string {
  const range =
    header.count === 0
      ? ''
      : `, records ${header.firstIndex} to ${header.firstIndex + header.count - 1}`;
  return `${header.kind} ${header.sequence}, ${header.byteLength} bytes${range}, durable up to ${header.durableSeq}`;
}

async function inspectState(env: Env, directory: string, file: string): Promise<WalFinding> {
  const path = pathIn(directory, file);
  if ((await env.files.stat(path)) === undefined) return { kind: 'state', file, slot: 'missing' };
  const slot = await reading(env, path, async (handle) => {
    const block = new Uint8Array(BLOCK_BYTES);
    const length = await handle.read(block, 0);
    return decodeStateSlot(block.subarray(0, length), env.crc32c);
  });
  return { kind: 'state', file, slot };
}

/** As `inspectWal`, for the one segment in `file`, which is a name in the folder. */
export async function* inspectSegment(
  env: Env,
  directory: string,
  file: string,
): AsyncGenerator<WalFinding> {
  const handle = await env.files.open(pathIn(directory, file), 'read');
  let window: FileWindow | undefined;
  try {
    const sizeBytes = await handle.sizeBytes();
    window = new FileWindow(handle, sizeBytes);
    const decoded = decodeSegmentHeader(await window.bytes(0, BLOCK_BYTES), env.crc32c);
    if (typeof decoded === 'string') {
      yield { kind: 'segment', file, sizeBytes, header: decoded };
      return;
    }
    const { header, crc } = decoded;
    yield { kind: 'segment', file, sizeBytes, header };
    const batches: WalFinding[] = [];
    const start = scanStartOf(header, crc);
    const result = await scanSegment(window, start, env, {
      batch: (offset, batch) => batches.push({ kind: 'batch', file, offset, header: batch }),
    });
    yield* batches;
    const rest = await window.bytes(result.endPosition, BLOCK_BYTES);
    const isQuiet = rest.every((byte) => byte === 0);
    const last = (await window.bytes(sizeBytes - BLOCK_BYTES, BLOCK_BYTES)).slice();
    // Why its length: beside a running server the file may have become shorter since.
    const isBlock = sizeBytes > BLOCK_BYTES && last.length === BLOCK_BYTES;
    const sealed = isBlock && decodeTrailer(last, header.nonce, env.crc32c) !== undefined;
    const problem = result.footer !== undefined || isQuiet ? undefined : result.problem;
    yield {
      kind: 'end',
      file,
      offset: result.endPosition,
      lastIndex: result.nextIndex - 1,
      sealed,
      problem,
    };
  } finally {
    await window?.close();
    await handle.close();
  }
}

async function reading<T>(
  env: Env,
  path: string,
  action: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await env.files.open(path, 'read');
  try {
    return await action(handle);
  } finally {
    await handle.close();
  }
}
