/**
 * The part list of a completed object, in pages, so that a range read of an object of 10,000 parts
 * looks at one page of 256. Where each page begins is in the object's record.
 */
import { invariant } from '@holdfast/bytes';
import { KvError, type KvReader, type Operation } from '@holdfast/kv';
import type { ByteSpan } from './byte-range.ts';
import { manifestKey } from './keys.ts';
import type { BlobRef, ManifestPageStart, ObjectBody } from './object-record.ts';
import { decodeManifestPage, encodeManifestPage, type PartRecord } from './part-record.ts';
import { put } from './store-context.ts';

const PAGE_PARTS = 256;

type PartsBody = Extract<ObjectBody, { readonly kind: 'parts' }>;

/** The body that the parts make, in order, and the operations that write its manifest. */
export function layOutManifest(
  uploadId: Uint8Array,
  parts: readonly PartRecord[],
): { readonly body: PartsBody; readonly operations: readonly Operation[] } {
  const pages: ManifestPageStart[] = [];
  const operations: Operation[] = [];
  let offset = 0;
  for (let at = 0; at < parts.length; at += PAGE_PARTS) {
    const page = parts.slice(at, at + PAGE_PARTS);
    operations.push(put(manifestKey(uploadId, pages.length), encodeManifestPage(page)));
    pages.push({ firstPartNumber: (page[0] as PartRecord).partNumber, offset });
    for (const part of page) offset += part.sizeBytes;
  }
  return { body: { kind: 'parts', uploadId, pages }, operations };
}

/** A part, and where it is in its object. */
export interface PartSpan extends ByteSpan {
  readonly part: PartRecord;
}

/** Parts of an object with numbers above `after`, at most one page of the manifest at a time. */
export async function* partsAfter(
  reader: Pick<KvReader, 'get'>,
  body: ObjectBody,
  after: number,
): AsyncGenerator<PartRecord, void, undefined> {
  if (body.kind !== 'parts') return;
  const first = lastStart(body.pages, (start) => start.firstPartNumber <= after);
  for (let page = Math.max(first, 0); page < body.pages.length; page++) {
    for (const part of await readPage(reader, body.uploadId, page)) {
      if (part.partNumber > after) yield part;
    }
  }
}

/** Where a part is in its object; undefined where the object has no part of that number. */
export async function findPart(
  reader: Pick<KvReader, 'get'>,
  body: PartsBody,
  partNumber: number,
): Promise<PartSpan | undefined> {
  const page = lastStart(body.pages, (start) => start.firstPartNumber <= partNumber);
  if (page < 0) return undefined;
  let { offset } = body.pages[page] as ManifestPageStart;
  for (const part of await readPage(reader, body.uploadId, page)) {
    if (part.partNumber === partNumber) return { offset, length: part.sizeBytes, part };
    offset += part.sizeBytes;
  }
  return undefined;
}

/** A piece of one blob. */
export interface BlobSpan extends ByteSpan {
  readonly blob: BlobRef;
  /** 0 for a body that is one blob. */
  readonly partNumber: number;
}

/** The pieces of blobs that make a span of a body, in order. */
export async function* blobSpans(
  reader: Pick<KvReader, 'get'>,
  body: ObjectBody,
  span: ByteSpan,
): AsyncGenerator<BlobSpan, void, undefined> {
  if (span.length === 0 || body.kind === 'empty' || body.kind === 'marker') return;
  if (body.kind === 'blob') {
    yield { blob: body.blob, partNumber: 0, ...span };
    return;
  }
  const end = span.offset + span.length;
  const first = lastStart(body.pages, (start) => start.offset <= span.offset);
  invariant(first >= 0, 'the first page of a manifest begins at offset 0');
  for (let page = first; page < body.pages.length; page++) {
    let { offset } = body.pages[page] as ManifestPageStart;
    if (offset >= end) return;
    for (const part of await readPage(reader, body.uploadId, page)) {
      const from = Math.max(span.offset, offset);
      const to = Math.min(end, offset + part.sizeBytes);
      if (part.blob !== undefined && from < to) {
        const { blob, partNumber } = part;
        yield { blob, partNumber, offset: from - offset, length: to - from };
      }
      offset += part.sizeBytes;
    }
  }
}

async function readPage(
  reader: Pick<KvReader, 'get'>,
  uploadId: Uint8Array,
  page: number,
): Promise<PartRecord[]> {
  const entry = await reader.get(manifestKey(uploadId, page));
  if (entry === undefined) {
    throw new KvError('KV_CORRUPTION', `page ${page} of a manifest is missing`);
  }
  return decodeManifestPage(entry.value);
}

/** Position of the last page for which it holds, -1 where for none; it holds for the first ones. */
function lastStart(
  pages: readonly ManifestPageStart[],
  holds: (start: ManifestPageStart) => boolean,
): number {
  let last = -1;
  while (last + 1 < pages.length && holds(pages[last + 1] as ManifestPageStart)) last++;
  return last;
}
