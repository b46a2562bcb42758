import { createMemoryEnv } from '@holdfast/env/memory';
import { openLocalStore } from '@holdfast/kv';
import { expect, test } from 'vitest';
import { openClusterFolder } from '../../src/cluster/cluster-folder.ts';
import { openLoneStore } from '../../src/lone-store.ts';
import { SettingsError } from '../../src/settings-error.ts';

const optionsFor = (directory: string) => ({
  directory,
  environment: {},
  nodeCount: 3,
  port: 0,
  peerPort: 0,
});
const settings = { reserveSizeBytes: 0 };

test('the folder of a single server is not made one of a cluster, which would seem to have lost everything', async () => {
  const env = await createMemoryEnv();
  await (await openLocalStore({ env, directory: '/d', settings })).close();
  const before = env.files.listAll('/d');
  await expect(openClusterFolder(env, optionsFor('/d'))).rejects.toThrow(SettingsError);
  expect(env.files.listAll('/d')).toEqual(before);
});

test('nor is the folder of a cluster made one of a single server', async () => {
  const env = await createMemoryEnv();
  const { nodes } = await openClusterFolder(env, optionsFor('/c'));
  const before = env.files.listAll('/c');
  await expect(openLoneStore({ env, directory: '/c', settings })).rejects.toThrow(SettingsError);
  expect(env.files.listAll('/c')).toEqual(before);
  expect((await openClusterFolder(env, optionsFor('/c'))).nodes).toEqual(nodes);
});

test('a folder that has been both before goes on as both', async () => {
  const env = await createMemoryEnv();
  await openClusterFolder(env, optionsFor('/b'));
  await (await openLocalStore({ env, directory: '/b', settings })).close();
  await openClusterFolder(env, optionsFor('/b'));
  await (await openLoneStore({ env, directory: '/b', settings })).close();
});
