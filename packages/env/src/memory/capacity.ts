import type { Disk } from './disk.ts';
import type { FileNode } from './file-node.ts';
import type { DirectoryNode } from './name-tree.ts';
import { PAGE_BYTES } from './page-image.ts';

/** Bytes in whole pages of all files that have a name now. Holes take no room. */
export function usedBytes(disk: Disk): number {
  let pages = 0;
  const seen = new Set<FileNode>();
  const visit = (directory: DirectoryNode): void => {
    for (const node of directory.live.values()) {
      if (node.kind === 'directory') {
        visit(node);
      } else if (!seen.has(node)) {
        seen.add(node);
        pages += node.live.countPages();
      }
    }
  };
  visit(disk.root);
  return pages * PAGE_BYTES;
}

/** How many of the `length` bytes at `position` find room; those before them that do are written. */
export function roomFor(
  disk: Disk,
  capacityBytes: number,
  node: FileNode,
  position: number,
  length: number,
): number {
  if (capacityBytes === Number.POSITIVE_INFINITY) return length;
  let pages = Math.floor((capacityBytes - usedBytes(disk)) / PAGE_BYTES);
  const end = position + length;
  for (let page = Math.floor(position / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
    if (node.live.hasPage(page)) continue;
    if (pages <= 0) return Math.max(0, page * PAGE_BYTES - position);
    pages -= 1;
  }
  return length;
}
