import { resolve } from 'node:path';
import type { Env } from '@holdfast/env';
import { createNodeEnv } from '@holdfast/env/node';
import { keyFingerprint } from '@holdfast/objects';
import { reportFailure } from '../failure.ts';
import {
  findMasterKeys,
  type MasterKeyPlace,
  masterKeyPath,
  rotateMasterKey,
} from '../keys/master-key-file.ts';
import { requireStore } from '../lone-store.ts';
import { SettingsError } from '../settings-error.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

export interface KeysOptions {
  readonly data: string;
  readonly masterKeyFile?: string;
}

/** Prints which master keys there are: never the keys. */
export async function keysList(terminal: Terminal, options: KeysOptions): Promise<ExitCode> {
  return await withPlace(terminal, options, async (place) => {
    show(terminal, place.env, await requireKeys(place));
  });
}

/** Puts a new master key before the others. */
export async function keysRotate(terminal: Terminal, options: KeysOptions): Promise<ExitCode> {
  return await withPlace(terminal, options, async (place) => {
    await requireKeys(place);
    show(terminal, place.env, await rotateMasterKey(place));
    terminal.print(
      `${masterKeyPath(place)} has a new key. Back the file up, then start the server again: it seals\n` +
        'with the new key, and logs when the older ones may leave the file.\n',
    );
  });
}

/** Why a rotation needs them too: where the key is in another file, one would be made here, and none rotated. */
async function requireKeys(place: MasterKeyPlace): Promise<readonly Uint8Array[]> {
  const keys = await findMasterKeys(place);
  if (keys.length > 0) return keys;
  await requireStore(place.env, place.directory);
  throw new SettingsError(
    `There is no master key in ${masterKeyPath(place)}. It is made when something is first sealed with it: where that has ` +
      'been, put it back; where it is in another file, name that with --master-key-file.',
  );
}

function show(terminal: Terminal, env: Env, keys: readonly Uint8Array[]): void {
  for (const [at, key] of keys.entries()) {
    terminal.print(`${keyFingerprint(env, key)}  ${at === 0 ? 'present' : 'older'}\n`);
  }
}

async function withPlace(
  terminal: Terminal,
  { data, masterKeyFile }: KeysOptions,
  work: (place: MasterKeyPlace) => Promise<void>,
): Promise<ExitCode> {
  const path = (name: string): string => resolve(terminal.workingDirectory, name);
  const env = await createNodeEnv();
  const directory = path(data);
  try {
    await work({
      env,
      directory,
      ...(masterKeyFile !== undefined && { path: path(masterKeyFile) }),
    });
    return 0;
  } catch (error) {
    return reportFailure(terminal, error, { directory });
  } finally {
    await env.digests.close();
  }
}
