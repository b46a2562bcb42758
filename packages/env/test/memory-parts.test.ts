import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { FileHandle } from '../src/index.ts';
import { createMemoryEnv, ManualClock, MemoryFiles, SeededRandom } from '../src/memory/index.ts';
import { NodeFiles } from '../src/node/index.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';

describe('the manual clock', () => {
  test('stands still until it is advanced', () => {
    const clock = new ManualClock(1_700_000_000_000);
    expect(clock.nowMs()).toBe(1_700_000_000_000);
    clock.advance(1.5);
    expect(clock.nowMs()).toBe(1_700_000_000_001.5);
    expect(clock.monotonicMs()).toBe(1.5);
    expect(() => clock.advance(-1)).toThrow('time does not go back');
  });

  test('shows each timer its own time, and fires those that timers set', () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    clock.setTimer(20, () => fired.push(`b ${clock.monotonicMs()}`));
    clock.setTimer(20, () => fired.push(`c ${clock.monotonicMs()}`));
    clock.setTimer(10, () => {
      fired.push(`a ${clock.monotonicMs()}`);
      clock.setTimer(10, () => fired.push(`d ${clock.monotonicMs()}`));
      clock.setTimer(91, () => fired.push('too late'));
    });
    clock.advance(100);
    expect(fired).toEqual(['a 10', 'b 20', 'c 20', 'd 20']);
    expect(clock.pendingTimers).toBe(1);
  });

  test('a jump of the wall clock is not felt by durations and timers', () => {
    const clock = new ManualClock();
    let fired = false;
    clock.setTimer(10, () => {
      fired = true;
    });
    clock.setNowMs(5);
    expect(clock.nowMs()).toBe(5);
    expect(clock.monotonicMs()).toBe(0);
    expect(fired).toBe(false);
    clock.advance(10);
    expect([clock.nowMs(), fired]).toEqual([15, true]);
  });
});

describe('seeded randomness', () => {
  test('repeats with its seed and on every machine', () => {
    expect([...new SeededRandom(7).bytes(9)]).toEqual([...new SeededRandom(7).bytes(9)]);
    expect([...new SeededRandom(7).bytes(9)]).not.toEqual([...new SeededRandom(8).bytes(9)]);
    const random = new SeededRandom(1);
    expect(Array.from({ length: 5 }, () => random.below(1000))).toEqual(GOLDEN_DRAWS);
  });

  test('a fork goes its own way', () => {
    const random = new SeededRandom(1);
    const fork = random.fork();
    expect(fork.bytes(16)).not.toEqual(random.bytes(16));
  });
});

const GOLDEN_DRAWS = [148, 13, 91, 82, 206];

test('an environment in memory is made of its options', async () => {
  const first = await createMemoryEnv({ seed: 3, startMs: 1000, capacityBytes: 8192 });
  expect(first.clock).toBe(first.manualClock);
  expect(first.clock.nowMs()).toBe(1000);
  expect(await first.files.freeBytes('/')).toBe(8192);
  const clock = new ManualClock(5);
  const second = await createMemoryEnv({ clock, files: first.files, crc32c: () => 42 });
  expect(second.files).toBe(first.files);
  expect(second.clock).toBe(clock);
  expect(second.crc32c(new Uint8Array(1))).toBe(42);
});

const position = fc.integer({ min: 0, max: 20_000 });
const size = fc.integer({ min: 0, max: 9000 });
const step = fc.oneof(
  fc.record({ kind: fc.constantFrom('write', 'writeSynced'), position, size }),
  fc.record({ kind: fc.constant('truncate'), position, size }),
  fc.record({ kind: fc.constant('read'), position, size }),
  fc.record({ kind: fc.constant('sync'), position, size }),
);

/** What a caller sees of the step. */
async function run(
  file: FileHandle,
  { kind, position, size }: { kind: string; position: number; size: number },
): Promise<string> {
  if (kind === 'truncate') await file.truncate(position);
  else if (kind === 'sync') await file.sync();
  else if (kind === 'read') {
    const target = new Uint8Array(size);
    return `${await file.read(target, position)} ${target.join()}`;
  } else {
    const source = new Uint8Array(size).fill((position % 255) + 1);
    if (kind === 'write') await file.write(source, position);
    else await file.writeSynced(source, position);
  }
  return String(await file.sizeBytes());
}

test('the memory disk shows what the disk of the machine shows, whatever is done', async () => {
  const folder = await makeTemporaryFolder();
  onTestFinished(folder.remove);
  const real = new NodeFiles();
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      round += 1;
      const twin = await new MemoryFiles().open('/a', 'create');
      const file = await real.open(`${folder.path}/${round}`, 'create');
      try {
        for (const one of [...steps, { kind: 'read', position: 0, size: 30_000 }]) {
          expect(await run(twin, one)).toBe(await run(file, one));
        }
      } finally {
        await file.close();
      }
    }),
    { numRuns: 40 },
  );
});
