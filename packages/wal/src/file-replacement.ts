import type { FileHandle } from '@holdfast/env';
import { pathIn, spareName } from './file-names.ts';
import type { Settings } from './settings.ts';

/**
 * Makes a file that takes the place of the one at `path`, whole: a crash leaves the one or the other. `write` fills it. Durable when
 * it resolves, under its name; what a crash leaves of it before is a spare, which the next open removes. While a log is opened only.
 */
export async function replaceFile(
  { env, directory }: Settings,
  path: string,
  options: { readonly mode?: number },
  write: (copy: FileHandle) => Promise<void>,
): Promise<void> {
  const { files } = env;
  const temporary = pathIn(directory, spareName(0));
  const copy = await files.open(temporary, 'create', options);
  try {
    await write(copy);
    await copy.sync();
  } finally {
    await copy.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(directory);
}
