/**
 * One file of the memory disk: what a reader sees now (`live`), what a power cut is sure to leave
 * (`durable`), and the changes between the two, in order.
 *
 * The model of a write is a disk's: sectors of 512 bytes (of 4096 where the handle is direct) reach the
 * medium each for itself, in any order. A sector holds what it held when the write was made, so
 * that a later write's sector carries the bytes of the earlier ones to the same sector. The size of
 * a file that a write has grown is a change of its own, which a crash may lose or keep alone.
 */
import { PAGE_BYTES, PageImage } from './page-image.ts';

export const SECTOR_BYTES = 512;

export interface PendingWrite {
  readonly kind: 'write';
  readonly position: number;
  readonly length: number;
  readonly sectorBytes: number;
  /** The pages of [position, position + length) just after the write. */
  readonly pages: readonly Uint8Array[];
  /** Whether the write made the file larger. */
  readonly grows: boolean;
  /** Sectors (by number in the file) that a later write has made durable: never applied again. */
  superseded: Set<number> | undefined;
  /** The size that it may grow the file to; less than its end where a truncate came after. */
  sizeLimit: number;
  state: PendingState;
}

export interface PendingTruncate {
  readonly kind: 'truncate';
  readonly sizeBytes: number;
  state: PendingState;
}

/**
 * `inFlight`: the call has not returned, so that a sync need not cover it. `dirty`: the next sync makes
 * it durable. `abandoned`: a sync of it failed; the kernel calls it clean, and no sync writes it again.
 */
export type PendingState = 'inFlight' | 'dirty' | 'abandoned';

export type PendingChange = PendingWrite | PendingTruncate;

/** Which sectors of a pending change reach the disk. */
export interface Kept {
  /** By position in the write, from 0, ascending. A truncate is kept whole or not at all. */
  readonly sectors: 'all' | 'none' | readonly number[];
  /** Whether the size that the write grew the file to is kept. Without it, bytes beyond are lost. */
  readonly size: boolean;
  /** Replaces what a kept sector holds: a sector that was being written when the power failed. */
  readonly garble?: (sectorBytes: number) => Uint8Array;
}

export const KEEP_ALL: Kept = { sectors: 'all', size: true };
export const KEEP_NONE: Kept = { sectors: 'none', size: false };

export class FileNode {
  readonly kind = 'file';
  readonly live: PageImage;
  readonly durable: PageImage;
  /** In the order in which they were made. */
  pending: PendingChange[] = [];
  modifiedMs: number;

  constructor(
    modifiedMs: number,
    durable: PageImage = new PageImage(),
    live: PageImage = durable.clone(),
  ) {
    this.modifiedMs = modifiedMs;
    this.durable = durable;
    this.live = live;
  }

  write(source: Uint8Array, position: number, sectorBytes: number): PendingWrite {
    const end = position + source.length;
    const grows = source.length > 0 && end > this.live.sizeBytes;
    const pages = this.live.write(source, position);
    const change: PendingWrite = {
      kind: 'write',
      position,
      length: source.length,
      sectorBytes,
      pages,
      grows,
      superseded: undefined,
      sizeLimit: end,
      state: 'inFlight',
    };
    if (source.length > 0) this.pending.push(change);
    return change;
  }

  truncate(sizeBytes: number): PendingTruncate {
    this.live.truncate(sizeBytes);
    const change: PendingTruncate = { kind: 'truncate', sizeBytes, state: 'inFlight' };
    this.pending.push(change);
    return change;
  }

  /** Makes changes durable; others stay pending. */
  makeDurable(changes: readonly PendingChange[]): void {
    const chosen = new Set(changes);
    const last = this.pending.findLastIndex((change) => chosen.has(change));
    const waiting: PendingChange[] = [];
    for (const [position, change] of this.pending.entries()) {
      // Why: a later write may not become durable on top of a truncate that could still cut it.
      const needed = chosen.has(change) || (change.kind === 'truncate' && position < last);
      if (!needed) {
        waiting.push(change);
        continue;
      }
      applyChange(this.durable, change, KEEP_ALL);
      for (const earlier of waiting) if (earlier.kind === 'write') supersede(earlier, change);
    }
    this.pending = waiting.filter((change) => !isSpent(change));
  }

  /** What was in flight has been carried out: the caller is gone, and a sync from here on covers it. */
  settle(): void {
    for (const change of this.pending) if (change.state === 'inFlight') change.state = 'dirty';
  }

  /** A copy that shares no state, pending changes included. */
  clone(): FileNode {
    const copy = new FileNode(this.modifiedMs, this.durable.clone(), this.live.clone());
    copy.pending = this.pending.map((change) =>
      change.kind === 'truncate'
        ? { ...change }
        : { ...change, superseded: copySet(change.superseded) },
    );
    return copy;
  }
}

function copySet(set: Set<number> | undefined): Set<number> | undefined {
  return set === undefined ? undefined : new Set(set);
}

/** The sector numbers of a write, [first, end). */
export function sectorRange(write: PendingWrite): { readonly first: number; readonly end: number } {
  return {
    first: Math.floor(write.position / write.sectorBytes),
    end: Math.ceil((write.position + write.length) / write.sectorBytes),
  };
}

/** Applies what is kept of a change to an image. */
export function applyChange(image: PageImage, change: PendingChange, kept: Kept): void {
  if (change.kind === 'truncate') {
    if (kept.sectors === 'all') image.truncate(change.sizeBytes);
    return;
  }
  if (kept.size) image.extend(change.sizeLimit);
  if (kept.sectors === 'all' && kept.garble === undefined && change.superseded === undefined) {
    applyWholeWrite(image, change);
  } else if (kept.sectors !== 'none') {
    applySectors(image, change, kept);
  }
  const end = sectorRange(change).end * change.sectorBytes;
  if (image.sizeBytes < end && (!kept.size || kept.garble || change.sizeLimit < end)) {
    image.clearBeyondSize();
  }
}

function applyWholeWrite(image: PageImage, write: PendingWrite): void {
  const { first, end } = sectorRange(write);
  const from = first * write.sectorBytes;
  const to = end * write.sectorBytes;
  const firstPage = Math.floor(write.position / PAGE_BYTES);
  for (const [index, page] of write.pages.entries()) {
    const pageStart = (firstPage + index) * PAGE_BYTES;
    const begin = Math.max(from - pageStart, 0);
    const stop = Math.min(to - pageStart, PAGE_BYTES);
    if (begin === 0 && stop === PAGE_BYTES) image.setPage(firstPage + index, page);
    else image.patch(firstPage + index, begin, page.subarray(begin, stop));
  }
}

function applySectors(image: PageImage, write: PendingWrite, kept: Kept): void {
  const firstPage = Math.floor(write.position / PAGE_BYTES);
  const sectorsOfPage = PAGE_BYTES / write.sectorBytes;
  const chosen = keptSectors(write, kept);
  for (let at = 0; at < chosen.length; ) {
    const index = Math.floor((chosen[at] as number) / sectorsOfPage);
    // Sectors of one page are merged into one new page: most of the cost is the copy.
    const source = write.pages[index - firstPage] as Uint8Array;
    const page = image.page(index).slice();
    for (; at < chosen.length; at++) {
      const number = chosen[at] as number;
      if (Math.floor(number / sectorsOfPage) !== index) break;
      const within = (number * write.sectorBytes) % PAGE_BYTES;
      const stop = within + write.sectorBytes;
      page.set(kept.garble?.(write.sectorBytes) ?? source.subarray(within, stop), within);
    }
    image.setPage(index, page);
  }
}

/** Numbers of the sectors in the file, ascending. */
function keptSectors(write: PendingWrite, kept: Kept): number[] {
  const { first, end } = sectorRange(write);
  const numbers: number[] = [];
  const add = (number: number): void => {
    if (write.superseded?.has(number) !== true) numbers.push(number);
  };
  if (kept.sectors === 'all') for (let number = first; number < end; number++) add(number);
  else if (kept.sectors !== 'none') for (const sector of kept.sectors) add(first + sector);
  return numbers;
}

// Safety: a change that has become durable must never be undone by an earlier one that has not.
function supersede(earlier: PendingWrite, later: PendingChange): void {
  const { first, end } = sectorRange(earlier);
  const gone = (earlier.superseded ??= new Set());
  if (later.kind === 'write') {
    const from = Math.floor(later.position / earlier.sectorBytes);
    const to = Math.ceil((later.position + later.length) / earlier.sectorBytes);
    for (let sector = Math.max(first, from); sector < Math.min(end, to); sector++) gone.add(sector);
    return;
  }
  // The sector that the truncate cut through goes too: its durable copy has the cleared tail.
  const from = Math.floor(later.sizeBytes / earlier.sectorBytes);
  for (let sector = Math.max(first, from); sector < end; sector++) gone.add(sector);
  earlier.sizeLimit = Math.min(earlier.sizeLimit, later.sizeBytes);
}

/** Whether nothing is left of a pending write that could still change the disk. */
function isSpent(change: PendingChange): boolean {
  if (change.kind === 'truncate' || change.grows || change.superseded === undefined) return false;
  const { first, end } = sectorRange(change);
  return change.superseded.size === end - first;
}
