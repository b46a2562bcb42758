import { fromHex, toHex, utf8 } from '@holdfast/bytes';
import { CIPHER_KEY_BYTES, type Env, keepNames } from '@holdfast/env';
import { writeSecretOnce } from '../secret-file.ts';
import { SettingsError } from '../settings-error.ts';
import { readTextFile } from '../text-file.ts';

const FILE_NAME = 'master.key';
const FILE_LIMIT_BYTES = 64 * 1024;
const FILE_MODE = 0o600;

/** Where the master keys are. */
export interface MasterKeyPlace {
  readonly env: Env;
  /** The data folder. */
  readonly directory: string;
  /** A file of the operator's; never made. Default: `master.key` in the data folder. */
  readonly path?: string | undefined;
}

/** The file that counts. */
export function masterKeyPath({ directory, path }: MasterKeyPlace): string {
  return path ?? `${directory}/${FILE_NAME}`;
}

/**
 * The keys that seal secrets and data keys: lines of 64 hexadecimal digits, the present key first, older ones after it;
 * empty lines and lines that begin with `#` say nothing. Without a file of the operator's, `master.key` in the data
 * folder counts; the file is durable before this resolves. It is made there (mode 0600) where `mayMake`. Throws a SettingsError
 * for a file that is missing, or has no keys. Never empty.
 */
export async function readMasterKeys(
  place: MasterKeyPlace,
  mayMake: boolean,
): Promise<readonly Uint8Array[]> {
  const path = masterKeyPath(place);
  const saved = await readKeyFile(place);
  if (saved !== undefined) return saved;
  if (place.path !== undefined) {
    throw new SettingsError(
      `There is no master key in ${path}. Put its file there, or name another one with --master-key-file.`,
    );
  }
  if (!mayMake) {
    throw new SettingsError(
      `There is no master key in ${path}, and what is stored in the data folder is sealed with one. ` +
        'Put it back, or give it with --master-key-file.',
    );
  }
  await makeKeyFile(place, path);
  const made = await readKeyFile(place);
  if (made === undefined) throw new SettingsError(`The master key in ${path} is gone again.`);
  return made;
}

/** The same, and none where there is no file in the data folder and none was named. */
export async function findMasterKeys(place: MasterKeyPlace): Promise<readonly Uint8Array[]> {
  if (place.path !== undefined) return await readMasterKeys(place, false);
  return (await readKeyFile(place)) ?? [];
}

/**
 * Puts a new key before those of the file, or makes the file with it. Durable when it resolves; a crash leaves the
 * file as it was or as it is to be. The keys that are now in it.
 */
export async function rotateMasterKey(place: MasterKeyPlace): Promise<readonly Uint8Array[]> {
  const { env } = place;
  const path = masterKeyPath(place);
  const text = await readTextFile(env, path, FILE_LIMIT_BYTES);
  if (text === undefined) {
    await makeKeyFile(place, path);
    return await readMasterKeys(place, false);
  }
  parseKeys(path, text);
  const draft = await writeDraft(env, path, `${newKeyText(env)}\n${text}`);
  await env.files.rename(draft, path);
  await env.files.syncDirectory(folderOf(path));
  return await readMasterKeys(place, false);
}

async function readKeyFile(place: MasterKeyPlace): Promise<readonly Uint8Array[] | undefined> {
  const { env } = place;
  const path = masterKeyPath(place);
  const text = await readTextFile(env, path, FILE_LIMIT_BYTES);
  if (text === undefined) return undefined;
  const keys = parseKeys(path, text);
  // Safety: a process that was killed may have left its name in a cache only, and nothing opens what was sealed with a lost key.
  await keepNames(env.files, folderOf(path));
  return keys;
}

function parseKeys(path: string, text: string): readonly Uint8Array[] {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  // Safety: what is in the file is a secret, so the message says only where it is wrong.
  if (keys.length === 0 || keys.some((key) => !/^[0-9a-fA-F]{64}$/.test(key))) {
    throw new SettingsError(
      `The master key in ${path} must be 64 hexadecimal digits; older keys follow it, one a line.`,
    );
  }
  return keys.map((key) => fromHex(key.toLowerCase()));
}

async function makeKeyFile({ env }: MasterKeyPlace, path: string): Promise<void> {
  // Safety: it replaces no key with which secrets may be sealed.
  await writeSecretOnce(env, folderOf(path), path, `${newKeyText(env)}\n`);
}

/** A synced file beside `path`, readable by its owner only. */
async function writeDraft(env: Env, path: string, text: string): Promise<string> {
  const draft = `${path}.${toHex(env.random.bytes(8))}`;
  const file = await env.files.open(draft, 'create', { mode: FILE_MODE });
  try {
    await file.write(utf8(text), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}

function newKeyText(env: Env): string {
  return toHex(env.random.bytes(CIPHER_KEY_BYTES));
}

function folderOf(path: string): string {
  const slash = path.replaceAll('\\', '/').lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, Math.max(slash, 1));
}
