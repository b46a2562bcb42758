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
/** Of the power, at each moment: which of the changes that are not durable are lost is chance. */
const CUTS = 20;

function placeOn(files: MemoryFiles): MasterKeyPlace {
  return { env: { ...machine, files }, directory };
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
async function afterPowerCuts(files: MemoryFiles): Promise<string[]> {
  const found = new Set<string>();
  for (let cut = 0; cut < CUTS; cut++) {
    found.add(textOf(await findMasterKeys(placeOn(files.crash().files))));
  }
  return [...found];
}

/** Kills a process at each of its changes of the disk in turn; the next one reads the keys, and then the power fails. */
async function expectKeptAfterKills(
  disk: MemoryFiles,
  change: (place: MasterKeyPlace) => Promise<unknown>,
): Promise<void> {
  let kills = 0;
  for (let isKilled = true; isKilled; kills++) {
    const files = disk.clone(kills);
    files.stopAt(kills + 1);
    await change(placeOn(files)).catch(() => undefined);
    isKilled = files.stopped;
    const next = files.killed();
    const keys = await readMasterKeys(placeOn(next), true);
    expect(await afterPowerCuts(next), `killed at ${kills + 1}`).toEqual([textOf(keys)]);
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
