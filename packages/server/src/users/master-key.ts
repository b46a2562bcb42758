import { fromHex, fromUtf8, toHex, utf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import { SettingsError } from '../settings-error.ts';
import { MASTER_KEY_BYTES } from './secret-box.ts';

const FILE_NAME = 'master.key';
const FILE_LIMIT_BYTES = 4096;

/** Where the master key is. */
export interface MasterKeyPlace {
  readonly env: Env;
  /** The data folder. */
  readonly directory: string;
  /** A file of the operator's; never made. Default: `master.key` in the data folder. */
  readonly path?: string | undefined;
}

/**
 * The key that seals secrets: 64 hexadecimal digits in a file. Without a file of the operator's, `master.key` in the data
 * folder counts; it is made there (mode 0600, durable before this resolves) where `mayMake`. Throws a SettingsError for
 * a file that is missing, or is no key.
 */
export async function readMasterKey(place: MasterKeyPlace, mayMake: boolean): Promise<Uint8Array> {
  const path = place.path ?? `${place.directory}/${FILE_NAME}`;
  const saved = await readKeyFile(place.env, path);
  if (saved !== undefined) return saved;
  if (place.path !== undefined || !mayMake) {
    throw new SettingsError(
      `There is no master key in ${path}, and the access keys in the data folder are sealed with one. ` +
        'Put it back, or give it with --master-key-file.',
    );
  }
  await makeKeyFile(place, path);
  const made = await readKeyFile(place.env, path);
  if (made === undefined) throw new SettingsError(`The master key in ${path} is gone again.`);
  return made;
}

async function readKeyFile(env: Env, path: string): Promise<Uint8Array | undefined> {
  const stat = await env.files.stat(path);
  if (stat === undefined) return undefined;
  const file = await env.files.open(path, 'read');
  try {
    const bytes = new Uint8Array(Math.min(stat.sizeBytes, FILE_LIMIT_BYTES));
    const text = fromUtf8(bytes.subarray(0, await file.read(bytes, 0))).trim();
    if (/^[0-9a-fA-F]{64}$/.test(text)) return fromHex(text.toLowerCase());
  } finally {
    await file.close();
  }
  throw new SettingsError(`The master key in ${path} must be 64 hexadecimal digits.`);
}

async function makeKeyFile({ env, directory }: MasterKeyPlace, path: string): Promise<void> {
  const draft = `${path}.${toHex(env.random.bytes(8))}`;
  const file = await env.files.open(draft, 'create', { mode: 0o600 });
  try {
    await file.write(utf8(`${toHex(env.random.bytes(MASTER_KEY_BYTES))}\n`), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  // Why a link: it refuses to replace a key with which secrets may be sealed.
  await env.files.link(draft, path).catch((error: unknown) => {
    if (!(error instanceof FileError && error.code === 'FILE_EXISTS')) throw error;
  });
  await env.files.unlink(draft);
  await env.files.syncDirectory(directory);
}
