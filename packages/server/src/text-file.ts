import { fromUtf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { SettingsError } from './settings-error.ts';

/** Some editors begin a file of UTF-8 with it; it says nothing. */
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * A small file that people write, without a byte order mark, or undefined where there is none. Throws a SettingsError for one of
 * more than `limitBytes`, for a folder, and for what is not UTF-8, which never has what is in the file.
 */
export async function readTextFile(
  env: Env,
  path: string,
  limitBytes: number,
): Promise<string | undefined> {
  const stat = await env.files.stat(path);
  if (stat === undefined) return undefined;
  if (stat.kind === 'directory') throw new SettingsError(`${path} is a folder, not a file.`);
  if (stat.sizeBytes > limitBytes) {
    throw new SettingsError(
      `${path} is larger than the ${limitBytes} bytes that such a file may have.`,
    );
  }
  const file = await env.files.open(path, 'read');
  try {
    const bytes = new Uint8Array(stat.sizeBytes);
    return decode(bytes.subarray(0, await file.read(bytes, 0)), path);
  } finally {
    await file.close();
  }
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    const text = fromUtf8(bytes);
    return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  } catch {
    throw new SettingsError(`${path} is not text in UTF-8. Save it as UTF-8.`);
  }
}

/** undefined for what is no JSON. Why no message: it would quote the file, and the file may be a secret. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
