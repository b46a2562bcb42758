/**
 * The state of a memory disk, and what a power cut makes of it. Names and contents are kept apart, as
 * on a real one: a synced file whose name was never synced is gone after a crash.
 */
import type { FileNode, Kept, PendingChange } from './file-node.ts';
import { applyChange, FileNode as FileNodeClass, KEEP_NONE } from './file-node.ts';
import {
  applyEntryChange,
  DirectoryNode,
  type EntryChange,
  syncedBy,
  type TreeNode,
} from './name-tree.ts';
import type { PageImage } from './page-image.ts';

/** The names that a crash keeps. */
export interface CrashedNames {
  readonly entriesOf: DiskContent['entriesOf'];
  /** Those that have one. */
  readonly files: ReadonlySet<FileNode>;
}

/** What is on a disk, by whoever looks: a reader now, or the next start after a crash. */
export interface DiskContent {
  readonly root: DirectoryNode;
  readonly entriesOf: (directory: DirectoryNode) => ReadonlyMap<string, TreeNode>;
  readonly imageOf: (file: FileNode) => PageImage;
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

  /** The names after a crash that keeps these changes of them. */
  namesAfter(entries: readonly EntryChange[]): CrashedNames {
    const files = new Set<FileNode>();
    const entriesOf = entriesAfter(entries);
    const visit = (directory: DirectoryNode): void => {
      for (const node of entriesOf(directory).values()) {
        if (node.kind === 'file') files.add(node);
        else visit(node);
      }
    };
    visit(this.root);
    return { entriesOf, files };
  }

  /** What readers see now. */
  get content(): DiskContent {
    return { root: this.root, entriesOf: ({ live }) => live, imageOf: ({ live }) => live };
  }

  /** What the next start finds, until something is changed here. `kept`: of other changes nothing is. */
  crashed({ entriesOf, files }: CrashedNames, kept: ReadonlyMap<PendingChange, Kept>): DiskContent {
    const images = new Map<FileNode, PageImage>();
    // At once: what a garbled sector holds is left to chance, whose numbers come in the order of the calls.
    for (const file of files) {
      if (file.pending.some((change) => kept.has(change))) images.set(file, imageAfter(file, kept));
    }
    return { root: this.root, entriesOf, imageOf: (file) => images.get(file) ?? file.durable };
  }

  /** A disk with that on it, all of it durable. Shares pages with the one that it was. */
  static of({ root, entriesOf, imageOf }: DiskContent): Disk {
    const copies = new Map<FileNode, FileNode>();
    const copyFile = (node: FileNode): FileNode => {
      let copy = copies.get(node);
      if (copy === undefined) {
        copy = new FileNodeClass(node.modifiedMs, imageOf(node).clone());
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
    return new Disk(copyDirectory(root));
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

function imageAfter(file: FileNode, kept: ReadonlyMap<PendingChange, Kept>): PageImage {
  const image = file.durable.clone();
  for (const change of file.pending) applyChange(image, change, kept.get(change) ?? KEEP_NONE);
  return image;
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
