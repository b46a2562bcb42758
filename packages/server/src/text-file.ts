import { fromUtf8 } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import { SettingsError } from './settings-error.ts';

/**
 * A small file that people write, or undefined where there is none. Throws a SettingsError for one of more than
 * `limitBytes`, which never has what is in the file.
 */
export async function readTextFile(
  env: Env,
  path: string,
  limitBytes: number,
): Promise<string | undefined> {
  const stat = await env.files.stat(path);
  if (stat === undefined) return undefined;
  if (stat.sizeBytes > limitBytes) {
    throw new SettingsError(
      `${path} is larger than the ${limitBytes} bytes that such a file may have.`,
    );
  }
  const file = await env.files.open(path, 'read');
  try {
    const bytes = new Uint8Array(stat.sizeBytes);
    return fromUtf8(bytes.subarray(0, await file.read(bytes, 0)));
  } finally {
    await file.close();
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
