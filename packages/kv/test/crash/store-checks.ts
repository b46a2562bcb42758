import { toHex } from '@holdfast/bytes';
import type { Env } from '@holdfast/env';
import type { MemoryFiles } from '@holdfast/env/memory';
import type { KvReader, LocalStoreSettings } from '../../src/index.ts';
import {
  KvError,
  openLocalStore,
  salvageStore,
  verifyBackups,
  verifyStore,
} from '../../src/index.ts';
import { type Contents, describe, digestOf, isSame } from './store-model.ts';

/** Something that may not be, whatever the disk does. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Every backup that has a manifest is whole. */
export async function mustHoldBackups(env: Env, target: string): Promise<void> {
  const { files } = env;
  const names = (await files.stat(target)) === undefined ? [] : await files.list(target);
  if (!names.some((name) => name.endsWith('.json'))) return;
  for (const { index, problems } of await verifyBackups(env, target)) {
    if (problems.length > 0) throw new Violation(`backup ${index}: ${JSON.stringify(problems)}`);
  }
}

/** What a crash has left is no damage, and what is being written is none. */
export async function mustBeUndamaged(env: Env, directory: string): Promise<void> {
  if ((await env.files.stat(`${directory}/node.json`)) === undefined) return;
  for await (const finding of verifyStore(env, directory)) {
    if (finding.kind === 'damage') throw new Violation(`verify says ${JSON.stringify(finding)}`);
  }
}

/** A salvage of a store that was stopped anywhere copies all that a start finds. `files`: a copy of the disk. */
export async function mustBeSalvaged(
  processEnv: Env,
  files: MemoryFiles,
  directory: string,
  settings: LocalStoreSettings,
): Promise<void> {
  for (const name of ['node.json', 'wal']) {
    if ((await files.stat(`${directory}/${name}`)) === undefined) return;
  }
  const env = { ...processEnv, files };
  const target = '/salvaged';
  for await (const finding of salvageStore(env, directory, target)) {
    if (finding.kind !== 'end' || finding.losses > 0) {
      throw new Violation(`salvage says ${JSON.stringify(finding)}`);
    }
  }
  const original = await valuesIn(env, directory, settings);
  const salvaged = await valuesIn(env, target, settings);
  if (isSame(salvaged, original)) return;
  throw new Violation(`salvaged ${describe(salvaged)} of ${describe(original)}`);
}

/** Without their versions. */
async function valuesIn(
  env: Env,
  directory: string,
  settings: LocalStoreSettings,
): Promise<Contents> {
  const store = await openLocalStore({ env, directory, settings });
  const found = await contentsOf(store);
  await store.close();
  return new Map([...found].map(([key, { digest }]) => [key, { digest, version: undefined }]));
}

export async function contentsOf(reader: KvReader): Promise<Contents> {
  const { entries } = await reader.scan({ limit: 1000 });
  return new Map(
    entries.map(({ key, version, value }) => [toHex(key), { digest: digestOf(value), version }]),
  );
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof KvError ? error.code : undefined;
}

export function isFull(error: unknown): boolean {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown };
  return /NO_SPACE/.test(String(code)) || (cause instanceof Error && isFull(cause));
}

/** Whoever is refused is told by a code why. */
export function mustBeTyped(error: unknown): void {
  const { code } = error as { readonly code?: unknown };
  if (error instanceof Violation || typeof code !== 'string') {
    throw new Violation(`untyped: ${String(error)}`, { cause: error });
  }
}
