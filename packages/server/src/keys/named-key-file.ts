import { fromHex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { z } from 'zod';
import { SettingsError } from '../settings-error.ts';
import { parseJson, readTextFile } from '../text-file.ts';
import type { KeyVersions } from './key-ring.ts';

const FILE_LIMIT_BYTES = 1024 * 1024;

/** What a key file says: keys by name, and which one requests get that name none. */
export interface NamedKeys {
  readonly keys: KeyVersions;
  readonly defaultKeyId: string | undefined;
}

const key = z.string().regex(/^[0-9a-fA-F]{64}$/);
const schema = z.strictObject({
  default: z.string().optional(),
  keys: z.record(
    z.string().regex(/^[\x21-\x7e]{1,2048}$/),
    z.union([key, z.array(key).min(1).max(1000)]),
  ),
});

/**
 * Reads the keys for SSE-KMS: `{"default": "name", "keys": {"name": "64 hexadecimal digits", "other": ["present", "older"]}}`.
 * Throws a SettingsError, which never has what is in the file.
 */
export async function readNamedKeys(env: Env, path: string): Promise<NamedKeys> {
  const text = await readTextFile(env, path, FILE_LIMIT_BYTES);
  if (text === undefined) throw new SettingsError(`There is no key file ${path}.`);
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new SettingsError(
      `${path} must be JSON with "keys": names of 1 to 2048 visible ASCII characters, each with 64 hexadecimal ` +
        'digits or a list of them, the present version first; and perhaps "default", one of the names.',
    );
  }
  const { default: defaultKeyId, keys } = parsed.data;
  if (defaultKeyId !== undefined && !Object.hasOwn(keys, defaultKeyId)) {
    throw new SettingsError(`The default key in ${path} is none of its keys.`);
  }
  const versions = Object.entries(keys).map(([name, value]): [string, Uint8Array[]] => {
    const texts = typeof value === 'string' ? [value] : value;
    return [name, texts.map((text) => fromHex(text.toLowerCase()))];
  });
  return { keys: new Map(versions), defaultKeyId };
}
