import { readFile } from 'node:fs/promises';
import type { BodyChecksum, Crc32c } from '@holdfast/bytes';
import { concatBytes, fromHex, MalformedBytesError, toHex, utf8 } from '@holdfast/bytes';
import { createMemoryEnv } from '@holdfast/env/memory';
import { loadCrc32c } from '@holdfast/env/node';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { BlockCache } from '../src/block-cache.ts';
import { hashKey } from '../src/bloom-filter.ts';
import { Disposals } from '../src/disposals.ts';
import { decodeEntry, encodeEntry } from '../src/entry-codec.ts';
import {
  checkExtentsHeader,
  decodeDirectory,
  decodeExtentsFooter,
  EXTENTS_FOOTER_SIZE_BYTES,
} from '../src/extent-format.ts';
import { ExtentWriter } from '../src/extent-writer.ts';
import { InPlaceReads } from '../src/in-place-reads.ts';
import type { Transaction } from '../src/index.ts';
import { inspectTable } from '../src/index.ts';
import type { IndexRecord } from '../src/index-record.ts';
import { publicKey, userKey } from '../src/key-space.ts';
import { decodeManifest, editOf, encodeEdit, encodeIdentity } from '../src/manifest-codec.ts';
import { Memtable } from '../src/memtable.ts';
import { decodeSession, encodeSession } from '../src/session-table.ts';
import { Slab } from '../src/slab.ts';
import { SortedTable } from '../src/sorted-table.ts';
import { stampedKey } from '../src/stamped-key.ts';
import { TableSource } from '../src/table-source.ts';
import { writeTable } from '../src/table-writer.ts';

/** The bytes of a page's example. */
async function example(page: string, name: string): Promise<Uint8Array> {
  const url = new URL(`../../../docs/formats/${page}`, import.meta.url);
  const text = await readFile(url, 'utf8');
  const found = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`${page} has no example ${name}`);
  return fromHex(found.replace(/\s/g, ''));
}

/** Manifest examples are printed without their padding. */
function padded(bytes: Uint8Array): Uint8Array {
  return concatBytes([bytes, new Uint8Array(4096 - bytes.length)]);
}

let crc32c: Crc32c;
let bodyChecksum: BodyChecksum;

beforeAll(async () => {
  ({ crc32c, bodyChecksum } = await loadCrc32c());
});

describe('extents.md', () => {
  test('the example is what it says, and what is written', async () => {
    const env = await createMemoryEnv();
    await env.files.makeDirectory('/x');
    const writer = await ExtentWriter.create(env, '/x/file', 5);
    const value = utf8('hello');
    const extent = await writer.add(userKey(utf8('a')), value, bodyChecksum.of([value]));
    const listing = await writer.finish();
    await writer.close();
    const bytes = new Uint8Array(listing.sizeBytes);
    const file = await env.files.open('/x/file', 'read');
    await file.read(bytes, 0);
    await file.close();
    expect(toHex(bytes)).toBe(toHex(await example('extents.md', 'extents')));
    expect(extent).toEqual({
      segmentId: 2 ** 32 + 5,
      offset: 16,
      length: 5,
      crc: bodyChecksum.of([value]),
    });
    expect(checkExtentsHeader(bytes, 5)).toBe(1);
    const footer = decodeExtentsFooter(bytes.subarray(-EXTENTS_FOOTER_SIZE_BYTES), crc32c);
    expect(footer).toMatchObject({ fileId: 5, directoryOffset: 21, count: 1 });
    const directory = bytes.subarray(21, 21 + footer.directorySizeBytes);
    expect(footer.directoryCrc).toBe(crc32c(directory));
    expect(decodeDirectory(directory, 1)).toEqual([
      { key: userKey(utf8('a')), offset: 16, length: 5, crc: bodyChecksum.of([value]) },
    ]);
    expect(() => decodeDirectory(directory, 2)).toThrow(MalformedBytesError);
    expect(() => decodeDirectory(directory, 0)).toThrow(/left over/);
    expect(() => checkExtentsHeader(bytes, 6)).toThrow(/extents 5, not 6/);
  });

  test('a MANIFEST lists extent files, takes them off, and says so when it is written anew', () => {
    const identity = { clusterId: '0'.repeat(32), nodeId: '1'.repeat(32) };
    const none = { appliedIndex: 7, nextTableId: 9, removed: [], added: [], liveBytes: new Map() };
    const file = (fileId: number) => ({ fileId, sizeBytes: 100 * fileId, footerCrc: fileId });
    const bytes = concatBytes([
      encodeIdentity(identity, crc32c),
      encodeEdit(1, { ...none, addedExtents: [file(3), file(4)] }, crc32c),
      encodeEdit(2, { ...none, addedExtents: [file(8)], removedExtents: [3] }, crc32c),
    ]);
    const { state } = decodeManifest(bytes, crc32c);
    expect(state.extentFiles).toEqual([file(4), file(8)]);
    const anew = concatBytes([
      encodeIdentity(identity, crc32c),
      encodeEdit(1, editOf(state), crc32c),
    ]);
    expect(decodeManifest(anew, crc32c).state).toEqual(state);
    const wrong = encodeEdit(3, { ...none, removedExtents: [3] }, crc32c);
    expect(() => decodeManifest(concatBytes([bytes, wrong]), crc32c)).toThrow(/not listed/);
  });
});

describe('kv-entry.md', () => {
  const transaction: Transaction = {
    session: { clientId: 'gateway-1', sequence: 7 },
    conditions: [
      { kind: 'absent', key: utf8('a') },
      { kind: 'versionEquals', key: utf8('b'), version: 300 },
    ],
    operations: [
      { kind: 'put', key: utf8('a'), value: utf8('hi') },
      { kind: 'put', key: utf8('big'), value: new Uint8Array(2000).fill(0x78) },
      { kind: 'delete', key: utf8('b') },
    ],
  };

  test('the example is what it says', async () => {
    const head = await example('kv-entry.md', 'entry');
    const encoded = encodeEntry(transaction, bodyChecksum);
    expect(encoded.head).toEqual(head);
    const decoded = decodeEntry(head, 2000);
    expect(decoded.session).toEqual(transaction.session);
    expect(decoded.conditions[1]).toEqual({
      kind: 'versionEquals',
      key: userKey(utf8('b')),
      version: 300,
    });
    expect(decoded.operations).toEqual([
      { kind: 'putInline', key: userKey(utf8('a')), value: utf8('hi') },
      { kind: 'putBody', key: userKey(utf8('big')), offset: 0, length: 2000, crc: 0x2908657a },
      { kind: 'delete', key: userKey(utf8('b')) },
    ]);
  });

  test('heads that share a buffer are each as they would be alone, also one that outgrows its place', () => {
    const slab = new Slab(4096);
    const clientIds = ['a', 'b'.repeat(700), 'c', 'd'.repeat(200), 'e'];
    const sessions = clientIds.map((clientId) => ({
      ...transaction,
      session: { clientId, sequence: 7 },
    }));
    const shared = sessions.map((each) => encodeEntry(each, bodyChecksum, slab).head);
    expect(shared).toEqual(sessions.map((each) => encodeEntry(each, bodyChecksum).head));
    expect(shared[0]?.buffer).toBe(shared[2]?.buffer);
  });

  test('an appended value has a place after the prefix, and makes the entry one of format 2', async () => {
    const head = await example('kv-entry.md', 'append');
    const appending: Transaction = {
      operations: [
        { kind: 'append', key: utf8('log/'), suffix: utf8('k'), value: utf8('hi') },
        { kind: 'delete', key: utf8('b') },
      ],
    };
    expect(encodeEntry(appending, bodyChecksum).head).toEqual(head);
    expect(decodeEntry(head, 0).operations[0]).toEqual({
      kind: 'append',
      key: userKey(utf8('log/')),
      suffix: utf8('k'),
      value: utf8('hi'),
    });
    expect(stampedKey(utf8('log/'), 300, 1, utf8('k'))).toEqual(
      concatBytes([utf8('log/'), Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 44, 0, 1), utf8('k')]),
    );
    const older = head.slice();
    older[0] = 1;
    expect(() => decodeEntry(older, 0)).toThrow(/unknown operation kind 3/);
  });

  test('the session is what it says', async () => {
    const bytes = await example('kv-entry.md', 'session');
    const state = {
      sequence: 7,
      result: { committed: false, revision: 300, failedCondition: 1 },
    } as const;
    expect(decodeSession(bytes)).toEqual(state);
    expect(encodeSession(state)).toEqual(bytes);
  });

  test('every head cut short, and every head with a byte more, is refused', async () => {
    const head = await example('kv-entry.md', 'entry');
    for (let length = 0; length < head.length; length++) {
      expect(() => decodeEntry(head.subarray(0, length), 2000), `${length}`).toThrow(
        MalformedBytesError,
      );
    }
    expect(() => decodeEntry(concatBytes([head, Uint8Array.of(0)]), 2000)).toThrow(/left over/);
    expect(() => decodeEntry(head, 1999)).toThrow(MalformedBytesError);
    expect(() => decodeEntry(head, 2001)).toThrow(MalformedBytesError);
  });

  test('a head of a newer format is refused with what to do', async () => {
    const head = (await example('kv-entry.md', 'entry')).slice();
    head[0] = 3;
    expect(() => decodeEntry(head, 2000)).toThrow(/format 3.*newer/);
  });

  test('random bytes are decoded or refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decodeEntry(concatBytes([Uint8Array.of(1 + (bytes.length % 2), 0), bytes]), 0);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytesError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('what is encoded is decoded to the same', () => {
    fc.assert(
      fc.property(transactions, (given) => {
        const { head, body, bodySizeBytes } = encodeEntry(given, bodyChecksum);
        const bodyBytes = concatBytes(body);
        expect(bodyBytes.length).toBe(bodySizeBytes);
        const decoded = decodeEntry(head, bodySizeBytes);
        expect(decoded.session).toEqual(given.session);
        expect(decoded.conditions.map((each) => ({ ...each, key: publicKey(each.key) }))).toEqual(
          given.conditions,
        );
        const operations = decoded.operations.map((each) => {
          const key = publicKey(each.key);
          if (each.kind === 'delete') return { kind: 'delete', key };
          if (each.kind === 'append') return { ...each, key };
          if (each.kind === 'putInline') return { kind: 'put', key, value: each.value };
          const value = bodyBytes.subarray(each.offset, each.offset + each.length);
          expect(bodyChecksum.of([value])).toBe(each.crc);
          return { kind: 'put', key, value };
        });
        expect(operations).toEqual(given.operations);
      }),
    );
  });
});

const key = fc.uint8Array({ minLength: 1, maxLength: 40 });
const value = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(1024, 1025, 3000).map((size) => new Uint8Array(size).fill(size % 251)),
);
const transactions: fc.Arbitrary<Transaction> = fc.record(
  {
    session: fc.record({ clientId: fc.string({ minLength: 1 }), sequence: fc.maxSafeNat() }),
    conditions: fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('exists' as const), key }),
        fc.record({ kind: fc.constant('absent' as const), key }),
        fc.record({ kind: fc.constant('versionEquals' as const), key, version: fc.maxSafeNat() }),
      ),
    ),
    operations: fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('put' as const), key, value }),
        fc.record({ kind: fc.constant('delete' as const), key }),
        fc.record({
          kind: fc.constant('append' as const),
          key,
          suffix: fc.uint8Array({ maxLength: 20 }),
          value: fc.uint8Array({ maxLength: 30 }),
        }),
      ),
    ),
  },
  { requiredKeys: ['operations', 'conditions'] },
);

describe('manifest.md', () => {
  const identity = {
    clusterId: '00112233445566778899aabbccddeeff',
    nodeId: 'ffeeddccbbaa99887766554433221100',
  };

  test('the examples are what they say', async () => {
    const first = padded(await example('manifest.md', 'identity'));
    const second = padded(await example('manifest.md', 'edit'));
    expect(encodeIdentity(identity, crc32c)).toEqual(first);
    const added = { tableId: 2, sizeBytes: 142, footerCrc: 0x3bdd2cc1 };
    const edit = {
      appliedIndex: 7,
      nextTableId: 3,
      removed: [1],
      added: [added],
      liveBytes: new Map([
        [3, 2000],
        [1, 0],
      ]),
    };
    expect(encodeEdit(1, edit, crc32c)).toEqual(second);
    const before = { ...edit, removed: [], added: [{ ...added, tableId: 1 }] };
    const file = concatBytes([first, encodeEdit(1, before, crc32c), encodeEdit(2, edit, crc32c)]);
    expect(decodeManifest(file, crc32c)).toMatchObject({
      identity,
      nextSequence: 3,
      state: { appliedIndex: 7, nextTableId: 3, tables: [added], liveBytes: new Map([[3, 2000]]) },
    });
  });

  test('a bad record at the end is left out, and one before a good one is damage', async () => {
    const edit = (appliedIndex: number) =>
      encodeEdit(
        appliedIndex,
        { appliedIndex, nextTableId: 1, removed: [], added: [], liveBytes: new Map() },
        crc32c,
      );
    const whole = concatBytes([encodeIdentity(identity, crc32c), edit(1), edit(2)]);
    const torn = whole.slice();
    torn[2 * 4096 + 20] = 0xff;
    expect(decodeManifest(torn, crc32c)).toMatchObject({
      state: { appliedIndex: 1 },
      validBytes: 2 * 4096,
    });
    const rotten = whole.slice();
    rotten[4096 + 20] = 0xff;
    expect(() => decodeManifest(rotten, crc32c)).toThrow(/record 1 at offset 4096 is damaged/);
    const headless = whole.slice();
    headless[0] = 0;
    expect(() => decodeManifest(headless, crc32c)).toThrow(MalformedBytesError);
  });
});

describe('table.md', () => {
  const rows: readonly (readonly [string, IndexRecord])[] = [
    ['a', { kind: 'inline', version: 5, value: utf8('hi') }],
    [
      'ab',
      {
        kind: 'extent',
        version: 6,
        extent: { segmentId: 3, offset: 4160, length: 2000, crc: 0xaabbccdd },
      },
    ],
    ['b', { kind: 'tombstone', version: 7 }],
  ];

  test('the example is what it says', async () => {
    const bytes = await example('table.md', 'table');
    const env = await createMemoryEnv();
    const memtable = new Memtable();
    for (const [name, record] of rows) memtable.set(userKey(utf8(name)), record);
    const request = {
      tableId: 2,
      path: '/written',
      appliedIndex: 7,
      expectedEntries: 3,
      dropTombstones: false,
    };
    const written = await writeTable(env, request, memtable.source(false));
    const file = await env.files.open('/written', 'read');
    const got = new Uint8Array(written.sizeBytes);
    await file.read(got, 0);
    expect(got).toEqual(bytes);

    const context = {
      env,
      cache: new BlockCache(65_536),
      disposals: new Disposals(),
      inPlace: new InPlaceReads(env.clock),
    };
    const listing = { tableId: 2, sizeBytes: 142, footerCrc: 0x3bdd2cc1 };
    const table = await SortedTable.open(context, '/written', listing);
    expect(table.properties).toEqual({
      entryCount: 3,
      tombstoneCount: 1,
      blockCount: 1,
      appliedIndex: 7,
      firstKey: userKey(utf8('a')),
      lastKey: userKey(utf8('b')),
    });
    const source = new TableSource(table, { reverse: false, useCache: true });
    const read: unknown[] = [];
    for (await source.seek(undefined); source.key !== undefined; await source.advance()) {
      read.push([String.fromCharCode(...publicKey(source.key)), source.record]);
    }
    expect(read).toEqual(rows);
  });

  test('a table of format 1 is read without its filter, which had other bits', async () => {
    const bytes = await example('table.md', 'table');
    bytes[4] = 1;
    // No bit that this version would ask for, and the checksum of that.
    bytes.fill(0, 56, 64);
    const env = await createMemoryEnv();
    new DataView(bytes.buffer).setUint32(64, env.crc32c(bytes.subarray(56, 64)), true);
    const file = await env.files.open('/000000000002.table', 'create');
    await file.write(bytes, 0);
    const context = {
      env,
      cache: new BlockCache(65_536),
      disposals: new Disposals(),
      inPlace: new InPlaceReads(env.clock),
    };
    const listing = { tableId: 2, sizeBytes: 142, footerCrc: 0x3bdd2cc1 };
    const table = await SortedTable.open(context, '/000000000002.table', listing);
    for (const [name, record] of rows) {
      const key = userKey(utf8(name));
      expect(await table.get(key, hashKey(key))).toEqual(record);
    }
    const damages = [];
    for await (const finding of inspectTable(env, '/000000000002.table')) {
      if (finding.kind === 'damage') damages.push(finding.problem);
    }
    expect(damages).toEqual([]);
  });
});
