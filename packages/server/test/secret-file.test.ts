import { MemoryFiles } from '@holdfast/env/memory';
import { createNodeEnv } from '@holdfast/env/node';
import { expect, test } from 'vitest';
import { resolveCredentials } from '../src/credentials.ts';
import { ensureSecret } from '../src/secret-file.ts';
import { readTextFile } from '../src/text-file.ts';

const machine = await createNodeEnv();
const directory = '/data';
/** Of the power, at each moment: which of the changes that are not durable are lost is chance. */
const CUTS = 20;

/** Has a secret in a file, made now or read. */
type Have = (files: MemoryFiles) => Promise<unknown>;

async function newFiles(): Promise<MemoryFiles> {
  const files = new MemoryFiles({ clock: machine.clock });
  await files.makeDirectory(directory);
  await files.syncDirectory('/');
  return files;
}

/** Kills a process at each of its changes of the disk in turn; the next one has the secret, and then the power fails. */
async function expectKeptAfterKills(path: string, have: Have): Promise<void> {
  const disk = await newFiles();
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
  await expectKeptAfterKills(path, (files) =>
    ensureSecret({ ...machine, files }, directory, path, 'a secret'),
  );
});

test('so is a generated key pair that a start has read', async () => {
  await expectKeptAfterKills(`${directory}/credentials.json`, (files) =>
    resolveCredentials({ ...machine, files }, directory, {}),
  );
});
