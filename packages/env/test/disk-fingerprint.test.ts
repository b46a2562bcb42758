import { expect, test } from 'vitest';
import type { Files } from '../src/index.ts';
import { DiskFingerprints } from '../src/memory/disk-fingerprint.ts';
import { ManualClock, MemoryFiles } from '../src/memory/index.ts';

const SECTOR = 512;

type Step = (files: MemoryFiles) => Promise<unknown>;

async function put(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const file = await files.open(path, 'create');
  await file.write(bytes, 0);
  await file.sync();
  await file.close();
  await files.syncDirectory('/');
}

const file =
  (path: string, ...bytes: number[]): Step =>
  (files) =>
    put(files, path, Uint8Array.from(bytes));
const folder =
  (path: string): Step =>
  (files) =>
    files.makeDirectory(path);

async function diskOf(...steps: readonly Step[]): Promise<MemoryFiles> {
  const files = new MemoryFiles({ clock: new ManualClock() });
  for (const step of steps) await step(files);
  return files;
}

/** Each unlike all others. */
const unlike: readonly (readonly Step[])[] = [
  [],
  [folder('/a')],
  [folder('/b')],
  [folder('/a'), folder('/b')],
  [folder('/a'), folder('/a/b')],
  [file('/a')],
  [file('/a', 0)],
  [file('/a', 1)],
  [file('/a', 0, 1)],
  [file('/a', 1, 0)],
  [file('/b', 1)],
  [file('/a', 1), file('/b', 1)],
  [file('/a', 1), (files) => files.link('/a', '/b')],
  [file('/a', 1), file('/b', 2)],
  [file('/a', 2), file('/b', 1)],
  [folder('/a'), file('/a/b', 1)],
  [folder('/a'), file('/b', 1)],
  [folder('/a'), folder('/b'), file('/a/c', 1)],
  [folder('/a'), folder('/b'), file('/b/c', 1)],
  [folder('/a'), folder('/b'), file('/a/c', 1), (files) => files.link('/a/c', '/b/c')],
];

test('disks that differ in a name, a folder, a link, a size or a byte have unlike fingerprints', async () => {
  const fingerprints = new DiskFingerprints();
  const found = new Set<string>();
  for (const steps of unlike) found.add((await diskOf(...steps)).fingerprint(fingerprints));
  expect(found.size).toBe(unlike.length);
});

test('and so has a file that was changed at another time', async () => {
  const fingerprints = new DiskFingerprints();
  const clock = new ManualClock();
  const files = new MemoryFiles({ clock });
  await file('/a', 1)(files);
  const before = files.fingerprint(fingerprints);
  const handle = await files.open('/a', 'write');
  await handle.write(Uint8Array.of(1), 0);
  expect(files.fingerprint(fingerprints)).toBe(before);
  clock.advance(1);
  await handle.write(Uint8Array.of(1), 0);
  expect(files.fingerprint(fingerprints)).not.toBe(before);
});

test('disks with the same on them are alike, in whatever order it came there', async () => {
  const fingerprints = new DiskFingerprints();
  const one = await diskOf(file('/a', 1), folder('/c'), file('/b', 2));
  const other = await diskOf(folder('/c'), file('/b', 3), file('/b2', 2), file('/a', 1), (files) =>
    files.rename('/b2', '/b'),
  );
  expect(one.fingerprint(fingerprints)).toBe(other.fingerprint(fingerprints));
});

test('what a crash leaves has the fingerprint of the disk that is made of it', async () => {
  const fingerprints = new DiskFingerprints();
  const files = await diskOf(file('/a', ...new Uint8Array(5 * SECTOR).fill(1)));
  const handle = await files.open('/a', 'write');
  await handle.write(new Uint8Array(2 * SECTOR).fill(2), SECTOR);
  await handle.truncate(4 * SECTOR);
  await handle.write(new Uint8Array(3 * SECTOR).fill(3), 3 * SECTOR);
  await files.rename('/a', '/b');
  await file('/c', 4)(files);
  const found = new Set<string>();
  for (const state of files.crashStates()) {
    const expected = state.fingerprint(fingerprints);
    expect(state.files.fingerprint(new DiskFingerprints()), state.label).toBe(expected);
    found.add(expected);
  }
  expect(found.size).toBeGreaterThan(30);
});

test('every change of a file is seen after a fingerprint was taken', async () => {
  const fingerprints = new DiskFingerprints();
  const files = await diskOf(file('/a', ...new Uint8Array(3 * SECTOR).fill(1)));
  const handle = await files.open('/a', 'write');
  const seen = [files.fingerprint(fingerprints)];
  const changes = [
    () => handle.write(Uint8Array.of(2), 700),
    () => handle.truncate(1000),
    () => handle.truncate(2000),
    () => handle.write(Uint8Array.of(0), 5000),
    () => handle.write(Uint8Array.of(0), 5001),
  ];
  for (const change of changes) {
    await change();
    seen.push(files.fingerprint(fingerprints));
  }
  files.corrupt('/a', { offset: 10, length: 1, how: 'flip' });
  seen.push(files.fingerprint(fingerprints));
  expect(new Set(seen).size).toBe(seen.length);
});
