/** The file of the master key, where processes are killed and the power fails: what was sealed with a lost key is lost. */
import { toHex } from '@holdfast/bytes';
import { MemoryFiles } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { describe, expect, test } from 'vitest';
import {
  findMasterKeys,
  type MasterKeyPlace,
  readMasterKeys,
  rotateMasterKey,
} from '../../src/keys/master-key-file.ts';

const machine = await createNodeEnv();
const directory = '/data';
const OWN_FILE = '/data/elsewhere.key';
/** Of the power, at each moment: which of the changes that are not durable are lost is chance. */
const CUTS = 20;

function placeOn(files: MemoryFiles, path?: string): MasterKeyPlace {
  return { env: { ...machine, files }, directory, path };
}

function textOf(keys: readonly Uint8Array[]): string {
  return keys.map((key) => toHex(key)).join(' ');
}

async function newFiles(): Promise<MemoryFiles> {
  const files = new MemoryFiles({ clock: machine.clock });
  await files.makeDirectory(directory);
  await files.syncDirectory('/');
  return files;
}

/** What is found after power cuts now; each only once. */
async function afterPowerCuts(files: MemoryFiles, path?: string): Promise<string[]> {
  const found = new Set<string>();
  for (let cut = 0; cut < CUTS; cut++) {
    found.add(textOf(await findMasterKeys(placeOn(files.crash().files, path))));
  }
  return [...found];
}

/** Kills a process at each of its changes of the disk in turn; the next one reads the keys, and then the power fails. */
async function expectKeptAfterKills(
  disk: MemoryFiles,
  change: (place: MasterKeyPlace) => Promise<unknown>,
  path?: string,
): Promise<void> {
  let kills = 0;
  for (let isKilled = true; isKilled; kills++) {
    const files = disk.clone(kills);
    files.stopAt(kills + 1);
    await change(placeOn(files, path)).catch(() => undefined);
    isKilled = files.stopped;
    const next = files.killed();
    const keys = await readMasterKeys(placeOn(next, path), true);
    expect(await afterPowerCuts(next, path), `killed at ${kills + 1}`).toEqual([textOf(keys)]);
  }
  expect(kills).toBeGreaterThan(5);
}

describe('a master key that was read is there after a power cut', () => {
  test('where the process that made it was killed, at any moment', async () => {
    await expectKeptAfterKills(await newFiles(), (place) => readMasterKeys(place, true));
  });

  test('where the process that rotated it was killed, at any moment', async () => {
    const files = await newFiles();
    await readMasterKeys(placeOn(files), true);
    await expectKeptAfterKills(files, rotateMasterKey);
  });

  test("where the process that rotated a file of the operator's was killed, at any moment", async () => {
    const files = await newFiles();
    await rotateMasterKey(placeOn(files, OWN_FILE));
    await expectKeptAfterKills(files, rotateMasterKey, OWN_FILE);
  });

  test("in a file of the operator's whose folder this user cannot look into", async () => {
    const files = await newFiles();
    const [key] = await rotateMasterKey(placeOn(files, OWN_FILE));
    const isSync = { when: ({ kind }: { kind: string }) => kind === 'syncDirectory' };
    files.failWhen({ ...isSync, code: 'FILE_ACCESS_DENIED' });
    expect(await readMasterKeys(placeOn(files, OWN_FILE), false)).toEqual([key]);
    files.failWhen({ ...isSync, code: 'FILE_IO' });
    await expect(readMasterKeys(placeOn(files, OWN_FILE), false)).rejects.toThrow('planned fault');
  });

  test('where the disk failed to write its name at first', async () => {
    const files = await newFiles();
    files.failWhen({ when: ({ kind }) => kind === 'syncDirectory', code: 'FILE_IO' });
    await expect(readMasterKeys(placeOn(files), true)).rejects.toThrow('by a planned fault');
    const keys = await readMasterKeys(placeOn(files), true);
    expect(await afterPowerCuts(files)).toEqual([textOf(keys)]);
  });

  test('when it was made, and when it was rotated', async () => {
    const files = await newFiles();
    const made = await readMasterKeys(placeOn(files), true);
    expect(await afterPowerCuts(files)).toEqual([textOf(made)]);
    const rotated = await rotateMasterKey(placeOn(files));
    expect(textOf(rotated)).toMatch(new RegExp(` ${textOf(made)}$`));
    expect(await afterPowerCuts(files)).toEqual([textOf(rotated)]);
  });
});
