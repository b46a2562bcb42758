import type { Crc32c } from '@holdfast/bytes';
import type { FileHandle, Files, OpenOptions } from '@holdfast/env';
import { allEnded } from './all-ended.ts';
import { BATCH_HEADER_BYTES } from './batch-header.ts';
import { corruption, foreign, newerFormat } from './damage.ts';
import { pathIn, type SegmentName } from './file-names.ts';
import type { FileWindow } from './file-window.ts';
import { BLOCK_BYTES } from './layout.ts';
import { Segment } from './segment.ts';
import { decodeFooter, decodeTrailer, type Trailer } from './segment-footer.ts';
import { decodeSegmentHeader, type SegmentHeader } from './segment-header.ts';
import type { Settings } from './settings.ts';

/** A segment file whose header was read, and its trailer if it has one. */
export interface LoadedSegment {
  readonly segment: Segment;
  readonly header: SegmentHeader;
  /** Checksum of the header: the chain that the first batch continues. */
  readonly headerCrc: number;
  readonly trailer: Trailer | undefined;
}

/** An open file whose size is known. */
export interface SizedFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  /** Where the whole file is to be read: the header is read through it. */
  readonly window?: FileWindow;
  /** As `readLast`, where that is under way already. */
  readonly last?: Promise<Uint8Array | undefined>;
}

/** Opens a file and asks for its size, both at once. Nobody may be writing to it. */
export async function openSized(
  files: Files,
  path: string,
  mode: 'read' | 'write',
  options?: OpenOptions,
): Promise<SizedFile> {
  const [opened, found] = await Promise.allSettled([
    files.open(path, mode, options),
    files.stat(path),
  ]);
  if (opened.status === 'rejected') throw opened.reason;
  const handle = opened.value;
  if (found.status === 'fulfilled') return { handle, sizeBytes: found.value?.sizeBytes ?? 0 };
  await handle.close();
  throw found.reason;
}

/** Reads header and trailer of a segment file. Two small reads, whatever its size. `opened`: by the caller, who closes it. */
export async function loadSegment(
  settings: Settings,
  name: SegmentName,
  opened: SizedFile | undefined,
): Promise<LoadedSegment> {
  const { env } = settings;
  const path = pathIn(settings.directory, name.name);
  const file = opened ?? (await openSized(env.files, path, 'read'));
  try {
    const [block, last] = await allEnded([readHeader(file), file.last ?? readLast(file)]);
    const decoded = decodeSegmentHeader(block, env.crc32c);
    if (decoded === 'newer') throw newerFormat(path);
    if (decoded === 'damaged')
      throw corruption(path, 0, 'the segment header does not match its checksum');
    const { header, crc } = decoded;
    checkIdentity(path, header, settings);
    if (header.segmentId !== name.segmentId || header.baseIndex !== name.baseIndex) {
      throw corruption(path, 0, 'the file has another segment’s name');
    }
    const segment = segmentOf(name, path, header, file.sizeBytes);
    const trailer = trailerOf(last, segment, env.crc32c);
    if (trailer !== undefined) await applyTrailer(file.handle, segment, trailer, env.crc32c);
    return { segment, header, headerCrc: crc, trailer };
  } finally {
    if (opened === undefined) await file.handle.close();
  }
}

function segmentOf(
  file: SegmentName,
  path: string,
  header: SegmentHeader,
  sizeBytes: number,
): Segment {
  const segment = new Segment({
    id: file.segmentId,
    name: file.name,
    path,
    baseIndex: file.baseIndex,
    createdMs: header.createdMs,
  });
  segment.nonce = header.nonce;
  segment.truncates = header.truncates;
  segment.restarts = header.restarts;
  segment.previousId = header.previousSegmentId;
  segment.termBefore = header.termBefore;
  segment.fileSizeBytes = sizeBytes;
  segment.endPosition = BLOCK_BYTES;
  segment.state = 'active';
  return segment;
}

function checkIdentity(path: string, header: SegmentHeader, settings: Settings): void {
  const { clusterId, nodeId } = header.identity;
  const { identity } = settings;
  if (clusterId === identity.clusterId && nodeId === identity.nodeId) return;
  throw foreign(
    path,
    `node ${nodeId} of cluster ${clusterId}`,
    `node ${identity.nodeId} of cluster ${identity.clusterId}`,
  );
}

async function readHeader({ handle, window }: SizedFile): Promise<Uint8Array> {
  return await (window?.bytes(0, BLOCK_BYTES) ?? readBlock(handle, 0));
}

/** The block that is a trailer where the segment is sealed; undefined where it cannot be one. */
export async function readLast({ handle, sizeBytes }: SizedFile): Promise<Uint8Array | undefined> {
  if (sizeBytes < 3 * BLOCK_BYTES || sizeBytes % BLOCK_BYTES !== 0) return undefined;
  return await readBlock(handle, sizeBytes - BLOCK_BYTES);
}

/** Shorter than a block only where the file ends before. */
async function readBlock(handle: FileHandle, position: number): Promise<Uint8Array> {
  const block = new Uint8Array(BLOCK_BYTES);
  return block.subarray(0, await handle.read(block, position));
}

function trailerOf(
  block: Uint8Array | undefined,
  segment: Segment,
  crc32c: Crc32c,
): Trailer | undefined {
  if (block?.length !== BLOCK_BYTES) return undefined;
  const trailer = decodeTrailer(block, segment.nonce, crc32c);
  if (trailer === undefined) return undefined;
  const fits =
    trailer.segmentId === segment.id &&
    trailer.baseIndex === segment.baseIndex &&
    trailer.footerOffset >= BLOCK_BYTES &&
    trailer.footerOffset + BATCH_HEADER_BYTES + trailer.footerByteLength <=
      segment.fileSizeBytes - BLOCK_BYTES;
  return fits ? trailer : undefined;
}

async function applyTrailer(
  handle: FileHandle,
  segment: Segment,
  trailer: Trailer,
  crc32c: Crc32c,
): Promise<void> {
  segment.state = 'sealed';
  segment.recordCount = trailer.recordCount;
  segment.payloadBytes = trailer.payloadBytes;
  segment.endPosition = trailer.footerOffset;
  segment.footer = {
    offset: trailer.footerOffset,
    byteLength: trailer.footerByteLength,
    contentCrc: trailer.footerCrc,
  };
  if (trailer.termRuns !== undefined) {
    segment.termRuns = [...trailer.termRuns];
    return;
  }
  const footer = await readFooter(handle, segment, crc32c);
  if (footer === undefined) {
    throw corruption(segment.path, trailer.footerOffset, 'the footer does not match its checksum');
  }
  segment.termRuns = footer.termRuns;
}

/** Offsets and term runs of a sealed segment; undefined where the footer is damaged. */
export async function readFooter(
  handle: FileHandle,
  segment: Segment,
  crc32c: Crc32c,
): Promise<ReturnType<typeof decodeFooter>> {
  const { footer } = segment;
  if (footer === undefined) return undefined;
  const content = new Uint8Array(footer.byteLength);
  const read = await handle.read(content, footer.offset + BATCH_HEADER_BYTES);
  if (read !== content.length) return undefined;
  return decodeFooter(content, segment.recordCount, footer.contentCrc, crc32c);
}
