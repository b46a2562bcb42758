import { FileError, type Files } from '@holdfast/env';

/** Makes a folder and its parents, so that they are there after a power cut. */
export async function makeDurableDirectory(files: Files, path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; at !== '' && (await files.stat(at)) === undefined; at = parentOf(at)) {
    missing.push(at);
  }
  if (missing.length === 0) return syncName(files, path);
  await files.makeDirectory(path);
  for (const made of missing) await files.syncDirectory(parentOf(made) || '.');
}

/**
 * Durability: the name of a folder that is there may not be durable, where a process was killed that had just made it. A
 * parent that may not be read was made by somebody else, and is no such case.
 */
async function syncName(files: Files, path: string): Promise<void> {
  try {
    await files.syncDirectory(parentOf(path) || '.');
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== 'FILE_ACCESS_DENIED') throw error;
  }
}

function parentOf(path: string): string {
  const slash = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  if (slash < 0) return '';
  return slash === 0 && path.length > 1 ? path.slice(0, 1) : path.slice(0, slash);
}
