import { compareBytes, toHex, utf8 } from '@holdfast/bytes';
import { createMemoryEnv, type MemoryEnv } from '@holdfast/env/memory';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockCache } from '../src/block-cache.ts';
import { shortestSeparator } from '../src/block-index.ts';
import { BloomFilterBuilder, hashKey, mayContain } from '../src/bloom-filter.ts';
import { Disposals } from '../src/disposals.ts';
import { InPlaceReads } from '../src/in-place-reads.ts';
import type { IndexRecord } from '../src/index-record.ts';
import type { IndexSource } from '../src/index-source.ts';
import { sessionKey } from '../src/key-space.ts';
import { Memtable } from '../src/memtable.ts';
import { tablesToMerge } from '../src/merge-choice.ts';
import { MergeSource } from '../src/merge-source.ts';
import { ReaderPins } from '../src/reader-pins.ts';
import { SegmentSpace } from '../src/segment-space.ts';
import { SessionTable } from '../src/session-table.ts';
import { SortedTable } from '../src/sorted-table.ts';
import { TableSource } from '../src/table-source.ts';
import { writeTable } from '../src/table-writer.ts';

const key = fc
  .array(fc.constantFrom(0, 1, 2, 254, 255), { maxLength: 6 })
  .map((bytes) => Uint8Array.from(bytes));

function recordOf(version: number, sizeBytes: number): IndexRecord {
  const choice = version % 5;
  if (choice === 0) return { kind: 'tombstone', version };
  if (choice === 1) {
    const extent = {
      segmentId: version,
      offset: version * 4096,
      length: 2000,
      crc: 2 ** 32 - version,
    };
    return { kind: 'extent', version, extent };
  }
  return { kind: 'inline', version, value: new Uint8Array(sizeBytes).fill(version) };
}

/** All rows from a seek on, in the direction of the source. */
async function walk(source: IndexSource, from: Uint8Array | undefined): Promise<unknown[]> {
  const rows: unknown[] = [];
  for (await source.seek(from); source.key !== undefined; await source.advance()) {
    rows.push([toHex(source.key), source.record]);
  }
  return rows;
}

/** What the memtable holds, as a table. */
async function tableOf(env: MemoryEnv, memtable: Memtable, tableId: number): Promise<SortedTable> {
  const path = `/${tableId}`;
  const request = {
    tableId,
    path,
    appliedIndex: 1,
    expectedEntries: memtable.count,
    dropTombstones: false,
  };
  const written = await writeTable(env, request, memtable.source(false));
  const context = {
    env,
    cache: new BlockCache(50_000),
    disposals: new Disposals(),
    inPlace: new InPlaceReads(env.clock),
  };
  return SortedTable.open(context, path, { tableId, ...written });
}

function expectedRows(
  model: ReadonlyMap<string, IndexRecord>,
  from: Uint8Array | undefined,
  reverse: boolean,
): unknown[] {
  const rows = [...model].sort(([left], [right]) => (left < right ? -1 : 1));
  if (reverse) rows.reverse();
  const start = from === undefined ? undefined : toHex(from);
  return rows.filter(([each]) => start === undefined || (reverse ? each <= start : each >= start));
}

describe('the memtable', () => {
  test('agrees with a sorted map, and its snapshots never change', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 400 }), fc.array(key), (keys, probes) => {
        const memtable = new Memtable();
        const model = new Map<string, IndexRecord>();
        const snapshots: (readonly [ReturnType<Memtable['snapshot']>, Map<string, IndexRecord>])[] =
          [];
        for (const [version, each] of keys.entries()) {
          memtable.set(each, recordOf(version, 5));
          model.set(toHex(each), recordOf(version, 5));
          if (version % 37 === 0) snapshots.push([memtable.snapshot(), new Map(model)]);
        }
        expect(memtable.count).toBe(model.size);
        snapshots.push([memtable.snapshot(), model]);
        for (const [snapshot, then] of snapshots) {
          for (const probe of probes) expect(snapshot.get(probe)).toEqual(then.get(toHex(probe)));
          for (const from of [undefined, ...probes.slice(0, 3)]) {
            for (const reverse of [false, true]) {
              const rows: unknown[] = [];
              const source = snapshot.source(reverse);
              for (source.seek(from); source.key !== undefined; source.advance()) {
                rows.push([toHex(source.key), source.record]);
              }
              expect(rows).toEqual(expectedRows(then, from, reverse));
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('the memtable under load', () => {
  test('keys that all have one hash are found, and walked in order', () => {
    const keys = keysOfOneHash(700);
    expect(new Set(keys.map(hashKey)).size).toBe(1);
    const memtable = new Memtable();
    for (const [version, each] of keys.entries()) memtable.set(each, recordOf(version, 3));
    expect(memtable.count).toBe(keys.length);
    for (const [version, each] of keys.entries()) {
      expect(memtable.get(each)).toEqual(recordOf(version, 3));
    }
    for (const each of keysOfOneHash(710).slice(700)) expect(memtable.get(each)).toBeUndefined();
    const walked: string[] = [];
    const source = memtable.source(true);
    for (source.seek(undefined); source.key !== undefined; source.advance()) {
      walked.push(toHex(source.key));
    }
    expect(walked).toEqual(keys.map(toHex).sort().reverse());
  });

  test('its size says what it holds, within a quarter', () => {
    const memtable = new Memtable();
    expect(memtable.sizeBytes).toBe(0);
    const count = 20_000;
    for (let number = 0; number < count; number++) {
      const bytes = new Uint8Array(24);
      new DataView(bytes.buffer).setUint32(20, Math.imul(number, 0x9e37_79b1));
      memtable.set(bytes, { kind: 'inline', version: number, value: new Uint8Array(100) });
    }
    const perEntry = memtable.sizeBytes / count;
    expect(perEntry).toBeGreaterThan(24 + 100);
    expect(perEntry).toBeLessThan((24 + 100) * 1.75);
  });

  test('one that is made with the room of another is empty, and holds and measures what any other does', async () => {
    const before = new Memtable();
    for (let at = 0; at < 20_000; at++) before.set(utf8(`before ${at}`), recordOf(at, 20));
    for (const count of [0, 1, 500, 50_000]) {
      const [roomy, plain] = [new Memtable(before), new Memtable()];
      for (let at = 0; at < count; at++) {
        for (const each of [roomy, plain]) each.set(utf8(`after ${at % 40_000}`), recordOf(at, 20));
      }
      expect([roomy.count, roomy.sizeBytes]).toEqual([plain.count, plain.sizeBytes]);
      expect(roomy.get(utf8('before 7'))).toBeUndefined();
      for (const reverse of [false, true]) {
        const rows = await walk(plain.source(reverse), undefined);
        expect(await walk(roomy.source(reverse), undefined)).toEqual(rows);
      }
    }
  });

  test('a record that is replaced after a snapshot is there for the snapshot alone', () => {
    const memtable = new Memtable();
    const one = Uint8Array.of(1);
    memtable.set(one, { kind: 'inline', version: 1, value: Uint8Array.of(1) });
    const kept = memtable.get(one);
    const before = memtable.snapshot();
    memtable.set(one, { kind: 'inline', version: 2, value: Uint8Array.of(2) });
    const sizeBytes = memtable.sizeBytes;
    memtable.set(one, { kind: 'inline', version: 3, value: Uint8Array.of(3) });
    expect(memtable.sizeBytes).toBe(sizeBytes);
    const after = memtable.snapshot();
    expect(memtable.recordAt(memtable.find(one, hashKey(one)))).toMatchObject({ version: 3 });
    memtable.set(one, { kind: 'tombstone', version: 4 });
    expect(before.get(one)).toEqual({ kind: 'inline', version: 1, value: Uint8Array.of(1) });
    expect(after.get(one)).toEqual({ kind: 'inline', version: 3, value: Uint8Array.of(3) });
    expect(memtable.get(one)).toEqual({ kind: 'tombstone', version: 4 });
    expect(kept).toEqual({ kind: 'inline', version: 1, value: Uint8Array.of(1) });
    expect(new Memtable().snapshot().get(one)).toBeUndefined();
  });
});

/**
 * Different keys of eight bytes with one hash: the second word undoes what the first did to the state. Turns the
 * multiplications of MurmurHash3 around.
 */
function keysOfOneHash(count: number): Uint8Array[] {
  const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
  const inverseOf = (odd: number): number => {
    let inverse = odd;
    for (let step = 0; step < 5; step++) inverse = Math.imul(inverse, 2 - Math.imul(odd, inverse));
    return inverse;
  };
  const [first, second] = [0xcc9e2d51, 0x1b873593] as const;
  return Array.from({ length: count }, (_, number) => {
    const word = Math.imul(number, 0x9e37_79b1);
    let state = Math.imul(rotate(Math.imul(word, first), 15), second);
    state = (Math.imul(rotate(state, 13), 5) + 0xe6546b64) | 0;
    const undone = Math.imul(rotate(Math.imul(state, inverseOf(second)), 17), inverseOf(first));
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, word, true);
    view.setInt32(4, undone, true);
    return bytes;
  });
}

describe('a sorted table', () => {
  test('agrees with what was written, by key and by walks from anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(key, { maxLength: 300 }),
        fc.array(key, { maxLength: 8 }),
        fc.constantFrom(3, 300, 1024),
        async (keys, probes, sizeBytes) => {
          const env = await createMemoryEnv();
          const memtable = new Memtable();
          const model = new Map<string, IndexRecord>();
          for (const [version, each] of keys.entries()) {
            memtable.set(each, recordOf(version, sizeBytes));
            model.set(toHex(each), recordOf(version, sizeBytes));
          }
          const table = await tableOf(env, memtable, 1);
          for (const probe of [...probes, ...keys]) {
            expect(await table.get(probe, hashKey(probe))).toEqual(model.get(toHex(probe)));
          }
          for (const reverse of [false, true]) {
            const source = new TableSource(table, { reverse, useCache: true });
            for (const from of [undefined, ...probes]) {
              expect(await walk(source, from)).toEqual(expectedRows(model, from, reverse));
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a cache holds at most its bytes, and still gives what it has', () => {
    const cache = new BlockCache(10_000);
    for (let block = 0; block < 100; block++) cache.set(1, block, new Uint8Array(1000).fill(block));
    expect(cache.sizeBytes).toBeLessThanOrEqual(10_000);
    expect(cache.get(1, 99)?.[0]).toBe(99);
    expect(cache.get(1, 0)).toBeUndefined();
    expect(cache.get(2, 99)).toBeUndefined();
  });

  test('a cache that has been full takes in what is needed for the second time of late', () => {
    const cache = new BlockCache(100_000);
    expect([cache.admits(1, 1), cache.admits(1, 2)]).toEqual([true, true]);
    for (let block = 0; block < 80; block++) cache.set(1, block, new Uint8Array(1000));
    expect([cache.admits(2, 1), cache.admits(2, 3)]).toEqual([false, false]);
    expect([cache.admits(2, 1), cache.admits(2, 4)]).toEqual([true, false]);
    // Long ago: others have been asked for since.
    for (let block = 100; block < 200; block++) cache.admits(3, block);
    expect(cache.admits(2, 3)).toBe(false);
  });

  test('what a walk needs is taken in when it is needed again after some others, and not before', () => {
    // Thirteen places for what was refused.
    const cache = new BlockCache(100_000);
    expect([cache.admitsWalked(1, 1), cache.admitsWalked(1, 1)]).toEqual([false, false]);
    expect([cache.admitsWalked(1, 2), cache.admitsWalked(1, 1)]).toEqual([false, true]);
    for (let block = 100; block < 200; block++) cache.admitsWalked(3, block);
    expect(cache.admitsWalked(1, 2)).toBe(false);
    expect([cache.holdsAll(50_000), cache.holdsAll(50_001)]).toEqual([true, false]);
  });

  test('of blocks that walks need in turns each is taken in, wherever its number falls', () => {
    // 129 places for what was refused.
    const cache = new BlockCache(1_050_000);
    const blocks = new Set([1, 130, 259]);
    for (let round = 0; round < 30; round++) {
      for (const block of blocks) if (cache.admitsWalked(1, block)) blocks.delete(block);
      // Others, which come once.
      for (let other = 10; other < 20; other++) cache.admitsWalked(2 + round, other);
    }
    expect(blocks.size).toBe(0);
  });

  test('separators lie between their keys', () => {
    fc.assert(
      fc.property(key, key, (one, other) => {
        const [left, right] = compareBytes(one, other) < 0 ? [one, other] : [other, one];
        fc.pre(compareBytes(left, right) < 0);
        const separator = shortestSeparator(left, right);
        expect(compareBytes(left, separator)).toBeLessThanOrEqual(0);
        expect(compareBytes(separator, right)).toBeLessThan(0);
      }),
    );
  });
});

describe('the Bloom filter', () => {
  test('has every key that was added, and at most one in a hundred of the others', () => {
    const builder = new BloomFilterBuilder(5000);
    const keyOf = (number: number) =>
      Uint8Array.from(`key ${number}`, (each) => each.charCodeAt(0));
    for (let number = 0; number < 5000; number++) builder.add(keyOf(number));
    const bits = builder.finish();
    let wrong = 0;
    for (let number = 0; number < 10_000; number++) {
      const found = mayContain(bits, hashKey(keyOf(number)));
      if (number < 5000) expect(found).toBe(true);
      else if (found) wrong++;
    }
    expect(wrong).toBeLessThan(50);
  });

  test('is wrong as seldom as 12 bits a key allow, whatever the number of keys', () => {
    for (const count of [1000, 30_000, 175_000]) {
      const builder = new BloomFilterBuilder(count);
      for (let number = 0; number < count; number++) builder.add(utf8(`objects/${number}`));
      const bits = builder.finish();
      let wrong = 0;
      const asked = 100_000;
      for (let number = count; number < count + asked; number++) {
        if (mayContain(bits, hashKey(utf8(`objects/${number}`)))) wrong++;
      }
      // (1 - e^(-7/12))^7 = 0.0033.
      expect(wrong / asked).toBeLessThan(0.0045);
    }
  });

  test('hashes as MurmurHash3 does', () => {
    const bytes = (text: string) => Uint8Array.from(text, (each) => each.charCodeAt(0));
    expect(hashKey(bytes(''))).toBe(0);
    expect(hashKey(bytes('test'))).toBe(0xba6bd213);
    expect(hashKey(bytes('Hello, world!'))).toBe(0xc0363e43);
    expect(hashKey(bytes('The quick brown fox jumps over the lazy dog'))).toBe(0x2e4ff723);
  });
});

describe('merging', () => {
  test('the newest record of a key hides the older ones, tombstones too, in memory and in tables', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(key, { maxLength: 80 }), fc.boolean()), { maxLength: 5 }),
        fc.array(key, { maxLength: 3 }),
        async (layers, probes) => {
          const env = await createMemoryEnv();
          const model = new Map<string, IndexRecord>();
          const newestFirst: ((reverse: boolean) => IndexSource)[] = [];
          let version = 0;
          for (const [number, [keys, inTable]] of layers.entries()) {
            const memtable = new Memtable();
            for (const each of keys) {
              memtable.set(each, recordOf(++version, 3));
              model.set(toHex(each), recordOf(version, 3));
            }
            const table = await tableOf(env, memtable, number);
            newestFirst.unshift((reverse) =>
              inTable
                ? new TableSource(table, { reverse, useCache: true })
                : memtable.source(reverse),
            );
          }
          for (const reverse of [false, true]) {
            const merged = new MergeSource(
              newestFirst.map((source) => source(reverse)),
              reverse,
            );
            for (const from of [undefined, ...probes]) {
              expect(await walk(merged, from)).toEqual(expectedRows(model, from, reverse));
            }
          }
        },
      ),
    );
  });

  test('takes the newest tables, and older ones while they are not larger than those together', () => {
    const sizes = (...bytes: number[]) => bytes.map((sizeBytes) => ({ sizeBytes }));
    expect(tablesToMerge(sizes(1, 1, 1), 3, false)).toBeUndefined();
    expect(tablesToMerge(sizes(1, 1, 1, 1), 3, false)).toEqual({ from: 0, to: 4 });
    expect(tablesToMerge(sizes(1, 1, 9, 9), 3, false)).toEqual({ from: 0, to: 2 });
    expect(tablesToMerge(sizes(1, 5, 5, 100), 3, false)).toEqual({ from: 0, to: 3 });
    expect(tablesToMerge(sizes(1, 50), 3, true)).toEqual({ from: 0, to: 2 });
    expect(tablesToMerge(sizes(1), 3, true)).toBeUndefined();
  });
});

describe('the bookkeeping', () => {
  test('a segment can be removed when no reader began before its last value died', () => {
    const space = new SegmentSpace(new Map([[1, 100]]));
    const extent = { segmentId: 1, offset: 0, length: 100, crc: 0 };
    expect(space.isRemovable(1, 1000)).toBe(false);
    const pins = new ReaderPins(() => space.moment);
    const early = pins.acquire();
    space.remove(extent);
    const late = pins.acquire();
    expect(space.isRemovable(1, pins.oldest())).toBe(false);
    pins.release(early);
    expect(space.isRemovable(1, pins.oldest())).toBe(true);
    pins.release(late);
    expect(space.isRemovable(1, pins.oldest())).toBe(true);
    expect(space.isRemovable(2, 0)).toBe(true);
    expect(space.takeChanges()).toEqual(new Map([[1, 0]]));
    expect(space.takeChanges()).toEqual(new Map());
    expect(() => space.remove(extent)).toThrow(/live bytes/);
  });

  test('a segment that values were moved out of stays until the move is settled', () => {
    const space = new SegmentSpace(new Map([[1, 100]]));
    const from = { segmentId: 1, offset: 0, length: 100, crc: 0 };
    space.move(from, { ...from, segmentId: 2 });
    expect([space.liveBytes(1), space.liveBytes(2)]).toEqual([0, 100]);
    expect(space.isRemovable(1, Number.POSITIVE_INFINITY)).toBe(false);
    space.settleMoves();
    expect(space.isRemovable(1, Number.POSITIVE_INFINITY)).toBe(true);
    expect(space.isRemovable(2, Number.POSITIVE_INFINITY)).toBe(false);
  });

  test('the client that was silent for longest is forgotten first', () => {
    const sessions = new SessionTable(2);
    const at = (revision: number) =>
      ({ sequence: revision, result: { committed: true, revision } }) as const;
    sessions.load([
      ['late', at(9)],
      ['early', at(3)],
    ]);
    expect(sessions.set('early', at(10)).key).toEqual(sessionKey('early'));
    expect(sessions.forgetOldest()).toBeUndefined();
    const { key, keyHash } = sessions.set('new', at(11));
    expect([key, keyHash]).toEqual([sessionKey('new'), hashKey(sessionKey('new'))]);
    expect(sessions.forgetOldest()?.key).toEqual(sessionKey('late'));
    expect(sessions.forgetOldest()).toBeUndefined();
    expect(sessions.get('late')).toBeUndefined();
    expect(sessions.get('early')).toEqual(at(10));
    expect(sessions.count).toBe(2);
  });
});
