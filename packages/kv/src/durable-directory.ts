import type { Files } from '@holdfast/env';

/** Makes a folder and its parents, so that they are there after a power cut. */
export async function makeDurableDirectory(files: Files, path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; at !== '' && (await files.stat(at)) === undefined; at = parentOf(at)) {
    missing.push(at);
  }
  if (missing.length === 0) return;
  await files.makeDirectory(path);
  for (const made of missing) await files.syncDirectory(parentOf(made) || '.');
}

function parentOf(path: string): string {
  const slash = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  if (slash < 0) return '';
  return slash === 0 && path.length > 1 ? path.slice(0, 1) : path.slice(0, slash);
}
