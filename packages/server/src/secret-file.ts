import { toHex, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { FileError, keepNames } from '@holdfast/env';

/**
 * Writes a small file that only its owner may read (mode 0600), durable when this resolves, unless there is one already:
 * that one stays. Returns whether it was written. `path` is in `directory`, which is there.
 */
export async function writeSecretOnce(
  env: Env,
  directory: string,
  path: string,
  text: string,
): Promise<boolean> {
  const draft = `${path}.${toHex(env.random.bytes(8))}`;
  const file = await env.files.open(draft, 'create', { mode: 0o600 });
  try {
    await file.write(utf8(text), 0);
    await file.sync();
    // Why a link: it refuses to replace, so that the secret of a process that was faster stays.
    return await env.files.link(draft, path).then(() => true, keepExisting);
  } finally {
    await file.close();
    await env.files.unlink(draft);
    await env.files.syncDirectory(directory);
  }
}

/**
 * As `writeSecretOnce`, but where there is a file nothing is written. Durable when this resolves, as that is, also where the process
 * that wrote it was killed before it was.
 */
export async function ensureSecret(
  env: Env,
  directory: string,
  path: string,
  text: string,
): Promise<boolean> {
  if ((await env.files.stat(path)) === undefined) {
    return await writeSecretOnce(env, directory, path, text);
  }
  await keepNames(env.files, directory);
  return false;
}

function keepExisting(error: unknown): false {
  if (error instanceof FileError && error.code === 'FILE_EXISTS') return false;
  throw error;
}
