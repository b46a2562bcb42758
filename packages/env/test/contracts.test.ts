import { expect, test } from 'vitest';
import { createMemoryEnv, ManualClock, MemoryFiles, SeededRandom } from '../src/memory/index.ts';
import {
  loadCrc32c,
  loadXxHashes,
  NodeCiphers,
  NodeClock,
  NodeDigests,
  NodeFiles,
  NodeRandom,
  ThreadCiphers,
  ThreadDigests,
} from '../src/node/index.ts';
import {
  ciphersContract,
  clockContract,
  digestsContract,
  type FilesFixture,
  filesContract,
  randomContract,
} from '../src/testing/index.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';

async function onDisk(direct: boolean): Promise<FilesFixture> {
  const folder = await makeTemporaryFolder();
  return { files: new NodeFiles({ direct }), directory: folder.path, close: folder.remove };
}

filesContract('files of the machine, direct where it can be', () => onDisk(true));
filesContract('files of the machine, never direct', () => onDisk(false));
filesContract('files in memory', async () => {
  const { files } = await createMemoryEnv();
  await files.makeDirectory('/data/test');
  return { files, directory: '/data/test' };
});
filesContract('files in memory, after a crash', async () => {
  const before = new MemoryFiles({ seed: 2 });
  await before.makeDirectory('/data');
  await before.syncDirectory('/');
  return { files: before.crash().files, directory: '/data' };
});

clockContract('clock of the machine', () => {
  const clock = new NodeClock();
  return { clock, advance: (byMs) => clock.sleep(byMs) };
});
test('a turn of the machine lets through what the event loop has waiting', async () => {
  const clock = new NodeClock();
  let immediates = 0;
  const repeat = (): void => {
    immediates++;
    if (immediates < 20) setImmediate(repeat);
  };
  setImmediate(repeat);
  for (let turn = 0; turn < 10; turn++) await clock.turn();
  expect(immediates).toBeGreaterThanOrEqual(10);
});
clockContract('manual clock', () => {
  const clock = new ManualClock();
  return { clock, advance: async (byMs) => clock.advance(byMs) };
});

randomContract('random bytes of the machine', () => new NodeRandom());
randomContract('seeded random bytes', () => new SeededRandom(42));

digestsContract(
  'digests on the thread',
  async () => new ThreadDigests((await loadCrc32c()).crc32c, await loadXxHashes()),
);
digestsContract(
  'digests in workers',
  async () => new NodeDigests(await loadCrc32c(), await loadXxHashes()),
);
digestsContract('digests in one worker, with little in flight', async () => {
  const options = { workerCount: 1, threadLimitBytes: 1000, inFlightLimitBytes: 100_000 };
  return new NodeDigests(await loadCrc32c(), await loadXxHashes(), options);
});

ciphersContract('ciphers on the thread', async () => ({
  ciphers: new ThreadCiphers(),
  allocate: (sizeBytes) => new Uint8Array(sizeBytes),
  close: async () => {},
}));
ciphersContract('ciphers in workers', async () => {
  const digests = new NodeDigests(await loadCrc32c(), await loadXxHashes());
  return {
    ciphers: new NodeCiphers(digests),
    allocate: (sizeBytes) => digests.allocate(sizeBytes),
    close: () => digests.close(),
  };
});
