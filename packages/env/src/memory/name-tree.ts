import { FileError } from '../files.ts';
import type { FileNode } from './file-node.ts';

/** A folder of the memory disk: its names now, and those that a power cut is sure to leave. */
export class DirectoryNode {
  readonly kind = 'directory';
  readonly live: Map<string, TreeNode>;
  readonly durable: Map<string, TreeNode>;

  constructor(durable: Map<string, TreeNode> = new Map()) {
    this.durable = durable;
    this.live = new Map(durable);
  }
}

export type TreeNode = FileNode | DirectoryNode;

/** A name in a folder, whether or not there is something of that name. */
export interface Entry {
  readonly directory: DirectoryNode;
  readonly name: string;
}

export type EntryOperation =
  | 'create'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'makeDirectory'
  | 'removeDirectory';

/** A change of names that no `syncDirectory` has made durable yet. It happens whole or not at all. */
export interface EntryChange {
  readonly operation: EntryOperation;
  readonly path: string;
  readonly node: TreeNode;
  readonly remove: Entry | undefined;
  readonly add: Entry | undefined;
  /** The call has not returned: a sync of the folder need not cover it. */
  inFlight: boolean;
}

/** The folder whose sync makes the change durable: of a rename between folders, the new one. */
export function syncedBy(change: EntryChange): DirectoryNode {
  return ((change.add ?? change.remove) as Entry).directory;
}

/** Applies a change to one picture of the folders: the live one, the durable one, an image's. */
export function applyEntryChange(
  change: EntryChange,
  entriesOf: (directory: DirectoryNode) => Map<string, TreeNode>,
): void {
  const { add, remove, node } = change;
  if (remove !== undefined) {
    const entries = entriesOf(remove.directory);
    // Why: the name may by now be another file's, made by a later change that is durable.
    if (entries.get(remove.name) === node) entries.delete(remove.name);
  }
  if (add !== undefined) entriesOf(add.directory).set(add.name, node);
}

/** Splits a path; relative ones start at the root, and `..` of the root is the root. */
export function pathParts(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts;
}

/** The node at a path now, or undefined. */
export function findNode(root: DirectoryNode, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const part of pathParts(path)) {
    if (node?.kind !== 'directory') return undefined;
    node = node.live.get(part);
  }
  return node;
}

/** Where a path's last name is or would be; FILE_NOT_FOUND where its folder is missing. */
export function findEntry(root: DirectoryNode, path: string, operation: string): Entry {
  const parts = pathParts(path);
  const name = parts.pop();
  const directory = findNode(root, parts.join('/'));
  if (name === undefined || directory?.kind !== 'directory') {
    throw new FileError('FILE_NOT_FOUND', path, `${operation} failed: no such folder`);
  }
  return { directory, name };
}
