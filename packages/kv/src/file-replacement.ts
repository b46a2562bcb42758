import type { Files } from '@holdfast/env';

/**
 * Puts a whole file in place: the old content or the new one is there after a crash, never a mix.
 * Durability: done when it resolves. The temporary file is `path` with `.tmp`.
 */
export async function replaceFile(
  files: Files,
  directory: string,
  name: string,
  content: Uint8Array,
  mode?: number,
): Promise<void> {
  const path = `${directory}/${name}`;
  const temporary = `${path}.tmp`;
  if ((await files.stat(temporary)) !== undefined) await files.unlink(temporary);
  const file = await files.open(temporary, 'create', mode === undefined ? {} : { mode });
  try {
    await file.write(content, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(directory);
}

/** The whole content of a file, or undefined where there is none. */
export async function readWholeFile(files: Files, path: string): Promise<Uint8Array | undefined> {
  if ((await files.stat(path)) === undefined) return undefined;
  const file = await files.open(path, 'read');
  try {
    const content = new Uint8Array(await file.sizeBytes());
    const got = await file.read(content, 0);
    return content.subarray(0, got);
  } finally {
    await file.close();
  }
}
