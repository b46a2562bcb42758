/**
 * The state of a memory disk, and what a power cut makes of it. Names and contents are kept apart, as
 * on a real one: a synced file whose name was never synced is gone after a crash.
 */
import type { FileNode, Kept, PendingChange } from './file-node.ts';
import { applyChange, FileNode as FileNodeClass } from './file-node.ts';
import {
  applyEntryChange,
  DirectoryNode,
  type EntryChange,
  syncedBy,
  type TreeNode,
} from './name-tree.ts';

/** What a crash keeps: entry changes (in their order) and, of each pending change, which sectors. */
export interface CrashPlan {
  readonly entries: readonly EntryChange[];
  readonly kept: (change: PendingChange) => Kept;
}

export class Disk {
  readonly root: DirectoryNode;
  /** Entry changes that are not durable, oldest first. */
  journal: EntryChange[] = [];

  constructor(root: DirectoryNode = new DirectoryNode()) {
    this.root = root;
  }

  /** Makes an entry change visible, and remembers it until it is durable. */
  change(entry: Omit<EntryChange, 'inFlight'>): EntryChange {
    const change = { ...entry, inFlight: true };
    applyEntryChange(change, (directory) => directory.live);
    this.journal.push(change);
    return change;
  }

  /** The entry changes that a sync of the folder would make durable. */
  pendingOf(directory: DirectoryNode): EntryChange[] {
    return this.journal.filter((change) => !change.inFlight && syncedBy(change) === directory);
  }

  makeDurable(changes: readonly EntryChange[]): void {
    const chosen = new Set(changes);
    for (const change of this.journal) {
      if (chosen.has(change)) applyEntryChange(change, (directory) => directory.durable);
    }
    this.journal = this.journal.filter((change) => !chosen.has(change));
  }

  /** Files that a crash would leave reachable, were these entry changes kept. */
  reachableFiles(entries: readonly EntryChange[]): Set<FileNode> {
    const files = new Set<FileNode>();
    const entriesOf = entriesAfter(entries);
    const visit = (directory: DirectoryNode): void => {
      for (const node of entriesOf(directory).values()) {
        if (node.kind === 'file') files.add(node);
        else visit(node);
      }
    };
    visit(this.root);
    return files;
  }

  /** The disk as the next start finds it: all of it durable. Shares pages with this one. */
  crashed(plan: CrashPlan): Disk {
    const entriesOf = entriesAfter(plan.entries);
    const copies = new Map<FileNode, FileNode>();
    const copyFile = (node: FileNode): FileNode => {
      let copy = copies.get(node);
      if (copy === undefined) {
        const image = node.durable.clone();
        for (const change of node.pending) applyChange(image, change, plan.kept(change));
        copy = new FileNodeClass(node.modifiedMs, image);
        copies.set(node, copy);
      }
      return copy;
    };
    const copyDirectory = (directory: DirectoryNode): DirectoryNode => {
      const names = new Map<string, TreeNode>();
      for (const [name, node] of entriesOf(directory)) {
        names.set(name, node.kind === 'file' ? copyFile(node) : copyDirectory(node));
      }
      return new DirectoryNode(names);
    };
    return new Disk(copyDirectory(this.root));
  }

  /** A copy with the same pending changes, that goes its own way from here. `settled`: with nothing in flight. */
  clone(settled = false): Disk {
    const copies = new Map<TreeNode, TreeNode>();
    const copyNode = (node: TreeNode): TreeNode => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      if (node.kind === 'file') {
        const file = node.clone();
        if (settled) file.settle();
        copies.set(node, file);
        return file;
      }
      const directory = new DirectoryNode();
      copies.set(node, directory);
      for (const [name, child] of node.durable) directory.durable.set(name, copyNode(child));
      for (const [name, child] of node.live) directory.live.set(name, copyNode(child));
      return directory;
    };
    const copyEntry = (entry: EntryChange['add']): EntryChange['add'] =>
      entry && { directory: copyNode(entry.directory) as DirectoryNode, name: entry.name };
    const copy = new Disk(copyNode(this.root) as DirectoryNode);
    copy.journal = this.journal.map((change) => ({
      ...change,
      inFlight: change.inFlight && !settled,
      node: copyNode(change.node),
      remove: copyEntry(change.remove),
      add: copyEntry(change.add),
    }));
    return copy;
  }
}

function entriesAfter(
  changes: readonly EntryChange[],
): (directory: DirectoryNode) => Map<string, TreeNode> {
  const changed = new Map<DirectoryNode, Map<string, TreeNode>>();
  for (const change of changes) {
    applyEntryChange(change, (directory) => {
      let entries = changed.get(directory);
      if (entries === undefined) changed.set(directory, (entries = new Map(directory.durable)));
      return entries;
    });
  }
  return (directory) => changed.get(directory) ?? directory.durable;
}
