import { makeDurableDirectory } from '@holdfast/env';
import { MemoryFiles } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import { resolveCredentials } from '../src/credentials.ts';
import { openLoneStore } from '../src/lone-store.ts';
import { ensureSecret } from '../src/secret-file.ts';
import { readTextFile } from '../src/text-file.ts';

const machine = await createNodeEnv();
const directory = '/of/one/data';
/** Of the power, at each moment: which of the changes that are not durable are lost is chance. */
const CUTS = 20;

/** Has a secret in a file, made now or read. */
type Have = (files: MemoryFiles) => Promise<unknown>;

async function newFiles({ withFolder }: { withFolder: boolean }): Promise<MemoryFiles> {
  const files = new MemoryFiles({ clock: machine.clock });
  if (withFolder) await makeDurableDirectory(files, directory);
  return files;
}

/** Kills a process at each of its changes of the disk in turn; the next one has the secret, and then the power fails. */
async function expectKeptAfterKills(path: string, disk: MemoryFiles, have: Have): Promise<void> {
  let kills = 0;
  for (let isKilled = true; isKilled; kills++) {
    const files = disk.clone(kills);
    files.stopAt(kills + 1);
    await have(files).catch(() => undefined);
    isKilled = files.stopped;
    const next = files.killed();
    await have(next);
    const text = await readTextFile({ ...machine, files: next }, path, 1000);
    expect(text).toBeDefined();
    for (let cut = 0; cut < CUTS; cut++) {
      const env = { ...machine, files: next.crash().files };
      expect(await readTextFile(env, path, 1000), `killed at ${kills + 1}`).toBe(text);
    }
  }
  expect(kills).toBeGreaterThan(5);
}

test('a secret that is there is there after a power cut, whenever the process that made it was killed', async () => {
  const path = `${directory}/secret`;
  await expectKeptAfterKills(path, await newFiles({ withFolder: true }), (files) =>
    ensureSecret({ ...machine, files }, directory, path, 'a secret'),
  );
});

test('so is a generated key pair that a start has read, in a folder that it made', async () => {
  const disk = await newFiles({ withFolder: false });
  await expectKeptAfterKills(`${directory}/credentials.json`, disk, async (files) => {
    const env = { ...machine, files };
    await resolveCredentials(env, directory, {});
    await (await openLoneStore({ env, directory })).close();
  });
});
