/** The names of the log's folder; everything else in it is left alone. */
export const LOCK_NAME = 'LOCK';
export const STATE_NAMES: readonly [string, string] = ['state-a', 'state-b'];

const SEGMENT_NAME = /^([0-9a-f]{16})-([0-9a-f]{8})\.wal$/;
const SPARE_NAME = /^spare-[0-9a-f]{8}\.tmp$/;

export interface SegmentName {
  readonly name: string;
  readonly baseIndex: number;
  readonly segmentId: number;
}

export function segmentName(baseIndex: number, segmentId: number): string {
  return `${hex(baseIndex, 16)}-${hex(segmentId, 8)}.wal`;
}

/** undefined where the name is not a segment's. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = SEGMENT_NAME.exec(name);
  if (match === null) return undefined;
  const baseIndex = Number.parseInt(match[1] as string, 16);
  if (!Number.isSafeInteger(baseIndex)) return undefined;
  return { name, baseIndex, segmentId: Number.parseInt(match[2] as string, 16) };
}

/** A file that will become a segment when it is renamed; worthless after a restart. */
export function spareName(number: number): string {
  return `spare-${hex(number, 8)}.tmp`;
}

export function isSpareName(name: string): boolean {
  return SPARE_NAME.test(name);
}

/** Where recovery saves the bytes of a torn tail; `attempt` tells several of one place apart. */
export function tornName(segment: string, offset: number, attempt: number): string {
  const stem = segment.slice(0, -'.wal'.length);
  return `${stem}-${hex(offset, 8)}${attempt === 0 ? '' : `-${attempt}`}.torn`;
}

export function pathIn(directory: string, name: string): string {
  return `${directory}/${name}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
