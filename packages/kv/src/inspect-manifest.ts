import { ByteReader, MalformedBytesError } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { ExtentListing } from './extent-format.ts';
import { fileIdOfSegment } from './extent-format.ts';
import { readWholeFile } from './file-replacement.ts';
import { MANIFEST_NAME } from './manifest.ts';
import type { ManifestEdit, ManifestRecord, ManifestState } from './manifest-codec.ts';
import {
  applyEdit,
  decodeEdit,
  EMPTY_MANIFEST_STATE,
  KIND_IDENTITY,
  MANIFEST_FORMAT_VERSION,
  RECORD_ALIGNMENT_BYTES,
  recordAt,
} from './manifest-codec.ts';
import type { TableListing } from './sorted-table.ts';

/** Live bytes of one segment, as the MANIFEST says. */
export interface SegmentLiveBytes {
  readonly segmentId: number;
  readonly liveBytes: number;
}

/** One thing found in a MANIFEST, in the order of the file. Plain data: JSON as it is. */
export type ManifestFinding =
  | {
      readonly kind: 'identity';
      readonly file: string;
      readonly sizeBytes: number;
      readonly formatVersion: number;
      readonly clusterId: string;
      readonly nodeId: string;
    }
  | {
      readonly kind: 'edit';
      readonly file: string;
      readonly offset: number;
      readonly sequence: number;
      readonly appliedIndex: number;
      readonly nextTableId: number;
      readonly removed: readonly number[];
      readonly added: readonly TableListing[];
      readonly removedExtents: readonly number[];
      readonly addedExtents: readonly ExtentListing[];
      readonly liveBytes: readonly SegmentLiveBytes[];
    }
  /** Bytes at the end that are no whole record: an edit that a crash interrupted. A start cuts it. */
  | {
      readonly kind: 'torn';
      readonly file: string;
      readonly offset: number;
      readonly sizeBytes: number;
    }
  | {
      readonly kind: 'damage';
      readonly file: string;
      readonly offset: number;
      readonly problem: string;
    }
  /** The sum of the edits that could be read. */
  | {
      readonly kind: 'state';
      readonly file: string;
      readonly appliedIndex: number;
      readonly nextTableId: number;
      /** Newest first. */
      readonly tables: readonly TableListing[];
      readonly extentFiles: readonly ExtentListing[];
      readonly liveBytes: readonly SegmentLiveBytes[];
    };

/**
 * Everything in the MANIFEST of a folder (a data folder's `kv`), record by record. Reads only, takes no lock, and goes
 * on behind what is damaged. Yields nothing where there is no MANIFEST.
 *
 * Rejects with the `FileError` of the system where the file cannot be read.
 */
export async function* inspectManifest(
  env: Env,
  directory: string,
): AsyncGenerator<ManifestFinding> {
  const file = MANIFEST_NAME;
  const bytes = await readWholeFile(env.files, `${directory}/${file}`);
  if (bytes === undefined) return;
  let state = EMPTY_MANIFEST_STATE;
  let expected = 0;
  let offset = 0;
  while (offset < bytes.length) {
    const record = recordAt(bytes, offset, env.crc32c);
    if (record === undefined) {
      const next = nextRecord(bytes, offset + RECORD_ALIGNMENT_BYTES, env);
      // Safety: edits are synced one by one, so only what ends the file can be torn.
      if (next === undefined && offset > 0) {
        yield { kind: 'torn', file, offset, sizeBytes: bytes.length - offset };
        break;
      }
      yield { kind: 'damage', file, offset, problem: 'a record is damaged' };
      if (next === undefined) break;
      offset = next;
      expected = -1;
      continue;
    }
    if (expected >= 0 && record.sequence !== expected) {
      const problem = `record ${record.sequence} stands where record ${expected} belongs`;
      yield { kind: 'damage', file, offset, problem };
    }
    expected = record.sequence + 1;
    const read = readRecord(file, offset, record, bytes.length, state);
    state = read.state;
    yield* read.findings;
    offset += record.sizeBytes;
  }
  yield {
    kind: 'state',
    file,
    appliedIndex: state.appliedIndex,
    nextTableId: state.nextTableId,
    tables: state.tables,
    extentFiles: state.extentFiles,
    liveBytes: plain(state.liveBytes),
  };
}

/** A finding as a line for people. */
export function describeManifestFinding(finding: ManifestFinding): string {
  switch (finding.kind) {
    case 'identity':
      return (
        `${finding.file}: ${finding.sizeBytes} bytes, format ${finding.formatVersion}, ` +
        `cluster ${finding.clusterId}, node ${finding.nodeId}`
      );
    case 'edit':
      return (
        `  ${finding.offset}: edit ${finding.sequence}, applied up to ${finding.appliedIndex}` +
        `${listText('adds', finding.added.map(tableText))}${listText('removes', finding.removed)}` +
        `${listText('adds', finding.addedExtents.map(extentsText))}` +
        `${listText('removes extents', finding.removedExtents)}` +
        `${listText('live bytes', finding.liveBytes.map(segmentText))}`
      );
    case 'torn':
      return `  ${finding.offset}: ${finding.sizeBytes} bytes of an edit that was never committed`;
    case 'damage':
      return `  ${finding.offset}: DAMAGED: ${finding.problem}`;
    case 'state':
      return (
        `state: applied up to ${finding.appliedIndex}, next table ${finding.nextTableId}` +
        `${listText('tables, newest first', finding.tables.map(tableText))}` +
        `${listText('extent files', finding.extentFiles.map(extentsText))}` +
        `${listText('live bytes', finding.liveBytes.map(segmentText))}`
      );
  }
}

function listText(title: string, items: readonly (string | number)[]): string {
  return items.length === 0 ? '' : `; ${title}: ${items.join(', ')}`;
}

function tableText({ tableId, sizeBytes }: TableListing): string {
  return `table ${tableId} (${sizeBytes} bytes)`;
}

function extentsText({ fileId, sizeBytes }: ExtentListing): string {
  return `extents ${fileId} (${sizeBytes} bytes)`;
}

function segmentText({ segmentId, liveBytes }: SegmentLiveBytes): string {
  const fileId = fileIdOfSegment(segmentId);
  return `${fileId === undefined ? `segment ${segmentId}` : `extents ${fileId}`} ${liveBytes}`;
}

function readRecord(
  file: string,
  offset: number,
  record: ManifestRecord,
  sizeBytes: number,
  state: ManifestState,
): { readonly state: ManifestState; readonly findings: readonly ManifestFinding[] } {
  const findings: ManifestFinding[] = [];
  try {
    const reader = new ByteReader(record.payload);
    if (reader.u8() === KIND_IDENTITY) {
      const formatVersion = reader.u8();
      const [clusterId, nodeId] = [reader.text(), reader.text()];
      findings.push({ kind: 'identity', file, sizeBytes, formatVersion, clusterId, nodeId });
      if (formatVersion !== MANIFEST_FORMAT_VERSION) {
        const problem = `format ${formatVersion}; this Holdfast reads ${MANIFEST_FORMAT_VERSION}`;
        findings.push({ kind: 'damage', file, offset, problem });
      }
      return { state, findings };
    }
    const edit = decodeEdit(record.payload);
    findings.push(editFinding(file, offset, record.sequence, edit));
    return { state: applyEdit(state, edit), findings };
  } catch (error) {
    if (!(error instanceof MalformedBytesError)) throw error;
    findings.push({ kind: 'damage', file, offset, problem: error.message });
    return { state, findings };
  }
}

function editFinding(
  file: string,
  offset: number,
  sequence: number,
  edit: ManifestEdit,
): ManifestFinding {
  const { appliedIndex, nextTableId, removed, added } = edit;
  const { removedExtents = [], addedExtents = [] } = edit;
  const liveBytes = plain(edit.liveBytes);
  return {
    kind: 'edit',
    file,
    offset,
    sequence,
    appliedIndex,
    nextTableId,
    removed,
    added,
    removedExtents,
    addedExtents,
    liveBytes,
  };
}

function plain(liveBytes: ReadonlyMap<number, number>): SegmentLiveBytes[] {
  return [...liveBytes].map(([segmentId, bytes]) => ({ segmentId, liveBytes: bytes }));
}

/** Offset of the first whole record at `from` or behind it. */
function nextRecord(bytes: Uint8Array, from: number, env: Env): number | undefined {
  for (let offset = from; offset < bytes.length; offset += RECORD_ALIGNMENT_BYTES) {
    if (recordAt(bytes, offset, env.crc32c) !== undefined) return offset;
  }
  return undefined;
}
