import { FileError, type Files } from './files.ts';

/**
 * Makes a folder and those on the way to it, where they are not there. Durability: all their names are when it resolves, also where
 * a process that made some of them was killed before it had synced them.
 *
 * Why one by one, and the name of the lowest one that is there first: nothing is made in a folder before its own name is durable.
 * So, whenever an earlier process was killed, that one's name is the only one that it can have left in a cache.
 */
export async function makeDurableDirectory(files: Files, path: string): Promise<void> {
  const missing: string[] = [];
  let there = path;
  while (parentOf(there) !== there && (await files.stat(there)) === undefined) {
    missing.push(there);
    there = parentOf(there);
  }
  if (parentOf(there) !== there) await keepNames(files, parentOf(there));
  for (const name of missing.reverse()) {
    await files.makeDirectory(name);
    await files.syncDirectory(parentOf(name));
  }
}

/**
 * Makes the names in a folder durable, of which one was found: who made it may have been killed before it was. Not in a folder that
 * this user cannot look into, or on a file system that is only read: there somebody else made it.
 */
export async function keepNames(files: Files, directory: string): Promise<void> {
  try {
    await files.syncDirectory(directory);
  } catch (error) {
    if (!(error instanceof FileError) || !isOfOthers(error)) throw error;
  }
}

/** Why EINVAL: so says Linux of a sync in an image, such as SquashFS, whose files are only read. */
function isOfOthers({ code, cause }: FileError): boolean {
  if (code === 'FILE_ACCESS_DENIED') return true;
  return cause instanceof Error && 'code' in cause && cause.code === 'EINVAL';
}

/** Of a root, and of a relative path's beginning, the same. */
function parentOf(path: string): string {
  // Why: a `/` or `/.` at the end names the same folder, whose parent is further up.
  const own = path.replace(/(?:[\\/]\.?)+$/, '');
  const slash = Math.max(own.lastIndexOf('/'), own.lastIndexOf('\\'));
  if (own === '') return path;
  if (slash < 0) return '.';
  return slash === 0 ? own.slice(0, 1) : own.slice(0, slash);
}
