import { fromUtf8, utf8 } from '@holdfast/bytes';
import type { Files } from '@holdfast/env';
import { KvError } from '@holdfast/kv';

/** In the node's folder: why the node stopped for good. */
const FILE_NAME = 'DIVERGED';
const SIZE_LIMIT_BYTES = 4096;

/** Keeps the node from serving again. Durable when it resolves; what fails is the disk of a node that stops anyway. */
export async function markDiverged(files: Files, directory: string, reason: string): Promise<void> {
  const file = await files.open(`${directory}/${FILE_NAME}`, 'create');
  try {
    await file.write(utf8(reason), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.syncDirectory(directory);
}

/** KV_CORRUPTION where the folder's state was found to be another than its cluster's. */
export async function refuseDiverged(files: Files, directory: string): Promise<void> {
  const path = `${directory}/${FILE_NAME}`;
  if ((await files.stat(path)) === undefined) return;
  const file = await files.open(path, 'read');
  try {
    const bytes = new Uint8Array(SIZE_LIMIT_BYTES);
    const length = await file.read(bytes, 0);
    throw new KvError('KV_CORRUPTION', `${path}: ${fromUtf8(bytes.subarray(0, length))}`, { path });
  } finally {
    await file.close();
  }
}
