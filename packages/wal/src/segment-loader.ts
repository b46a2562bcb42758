import type { Crc32c } from '@holdfast/bytes';
import type { FileHandle } from '@holdfast/env';
import { BATCH_HEADER_BYTES } from './batch-header.ts';
import { corruption, foreign, newerFormat } from './damage.ts';
import { pathIn, type SegmentName } from './file-names.ts';
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

/** Reads header and trailer of a segment file. Two small reads, whatever its size. `opened`: by the caller, who closes it. */
export async function loadSegment(
  settings: Settings,
  file: SegmentName,
  opened: FileHandle | undefined,
): Promise<LoadedSegment> {
  const { env } = settings;
  const path = pathIn(settings.directory, file.name);
  const handle = opened ?? (await env.files.open(path, 'read'));
  try {
    const block = new Uint8Array(BLOCK_BYTES);
    const [sizeBytes, isRead] = await Promise.all([
      handle.sizeBytes(),
      readBlock(handle, block, 0),
    ]);
    const decoded = isRead ? decodeSegmentHeader(block, env.crc32c) : 'damaged';
    if (decoded === 'newer') throw newerFormat(path);
    if (decoded === 'damaged')
      throw corruption(path, 0, 'the segment header does not match its checksum');
    const { header, crc } = decoded;
    checkIdentity(path, header, settings);
    if (header.segmentId !== file.segmentId || header.baseIndex !== file.baseIndex) {
      throw corruption(path, 0, 'the file has another segment’s name');
    }
    const segment = segmentOf(file, path, header, sizeBytes);
    const trailer = await readTrailer(handle, sizeBytes, segment, env.crc32c);
    if (trailer !== undefined) await applyTrailer(handle, segment, trailer, env.crc32c);
    return { segment, header, headerCrc: crc, trailer };
  } finally {
    if (handle !== opened) await handle.close();
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

async function readBlock(
  handle: FileHandle,
  block: Uint8Array,
  position: number,
): Promise<boolean> {
  return (await handle.read(block, position)) === block.length;
}

async function readTrailer(
  handle: FileHandle,
  sizeBytes: number,
  segment: Segment,
  crc32c: Crc32c,
): Promise<Trailer | undefined> {
  if (sizeBytes < 3 * BLOCK_BYTES || sizeBytes % BLOCK_BYTES !== 0) return undefined;
  const block = new Uint8Array(BLOCK_BYTES);
  if (!(await readBlock(handle, block, sizeBytes - BLOCK_BYTES))) return undefined;
  const trailer = decodeTrailer(block, segment.nonce, crc32c);
  if (trailer === undefined) return undefined;
  const fits =
    trailer.segmentId === segment.id &&
    trailer.baseIndex === segment.baseIndex &&
    trailer.footerOffset >= BLOCK_BYTES &&
    trailer.footerOffset + BATCH_HEADER_BYTES + trailer.footerByteLength <= sizeBytes - BLOCK_BYTES;
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
