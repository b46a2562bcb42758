import type { Files } from '../src/index.ts';

/** All bytes of a file, or undefined where there is none. */
export async function contentAt(files: Files, path: string): Promise<Uint8Array | undefined> {
  if ((await files.stat(path)) === undefined) return undefined;
  const file = await files.open(path, 'read');
  const content = new Uint8Array(await file.sizeBytes());
  await file.read(content, 0);
  await file.close();
  return content;
}
