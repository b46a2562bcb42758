import { readFile } from 'node:fs/promises';
import type { Checksums } from '@holdfast/bytes';
import { concatBytes, fromHex, logIndex, MalformedBytesError, term, utf8 } from '@holdfast/bytes';
import { loadCrc32c } from '@holdfast/env/node';
import { Slab } from '@holdfast/kv';
import type { Command, Entry, EntryContent, Message } from '@holdfast/raft';
import { configurationOf, contentSizeBytes, nodeId } from '@holdfast/raft';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodeAddress, encodeAddress } from '../src/cluster-notes.ts';
import type { StoredCommand } from '../src/entry-format.ts';
import { contentOf, recordOf } from '../src/entry-format.ts';
import { decodeMessage, encodeMessage, laneOf } from '../src/message-codec.ts';

const N1 = nodeId('n1');
const N2 = nodeId('n2');
const ENVELOPE = { from: N1, to: N2, term: term(3) };
const CONFIGURATION = configurationOf([N1, N2], [nodeId('n3')]);

let checksums: Checksums;

beforeAll(async () => {
  checksums = await loadCrc32c();
});

function entry(index: number, entryTerm: number, content: EntryContent) {
  const sizeBytes = contentSizeBytes(content);
  return { index: logIndex(index), term: term(entryTerm), sizeBytes, content };
}

function transaction(head: Uint8Array, body: Uint8Array | undefined): EntryContent {
  const bodyCrc = body === undefined ? undefined : checksums.bodyChecksum.of([body]);
  const command = { kind: 1, head, bodyCrc, ...(body === undefined ? {} : { body: [body] }) };
  return { type: 'command', command };
}

function hasContent({ content }: Entry): boolean {
  return content !== undefined;
}

/** The message of `docs/formats/replica.md`. */
function exampleAppend(): Message {
  return {
    ...ENVELOPE,
    type: 'appendEntries',
    prevLogIndex: logIndex(300),
    prevLogTerm: term(2),
    leaderCommit: logIndex(299),
    entries: [
      entry(301, 3, { type: 'noop' }),
      entry(302, 3, transaction(utf8('head'), utf8('body'))),
    ],
  };
}

function decoded(frame: Uint8Array): Message {
  return decodeMessage(frame, N1, N2, checksums);
}

/** The same, to the node that keeps the body of entry 302 under request 7. */
function exampleKept(): Uint8Array {
  const keptBy = ({ body }: Command) => (body === undefined ? undefined : 7);
  return concatBytes(encodeMessage(exampleAppend(), checksums, keptBy));
}

function frameOf(message: Message): Uint8Array {
  return concatBytes(encodeMessage(message, checksums));
}

const MESSAGES: readonly Message[] = [
  {
    ...ENVELOPE,
    type: 'requestVote',
    lastLogIndex: logIndex(7),
    lastLogTerm: term(2),
    isTransfer: true,
  },
  { ...ENVELOPE, type: 'requestPreVote', lastLogIndex: logIndex(7), lastLogTerm: term(2) },
  { ...ENVELOPE, type: 'voteReply', granted: true },
  { ...ENVELOPE, type: 'preVoteReply', granted: false },
  { ...ENVELOPE, type: 'appendAccepted', matchIndex: logIndex(9) },
  {
    ...ENVELOPE,
    type: 'appendRejected',
    rejectedIndex: logIndex(9),
    hintIndex: logIndex(4),
    hintTerm: term(1),
  },
  { ...ENVELOPE, type: 'heartbeat', leaderCommit: logIndex(8), readRound: 1_000_000_007 },
  { ...ENVELOPE, type: 'heartbeatReply', readRound: 2 ** 52 },
  {
    ...ENVELOPE,
    type: 'installSnapshot',
    snapshot: { index: logIndex(5), term: term(2), configuration: CONFIGURATION },
  },
  { ...ENVELOPE, type: 'timeoutNow' },
  { ...ENVELOPE, type: 'staleTerm' },
  {
    ...ENVELOPE,
    type: 'forwardReply',
    requestId: 5,
    outcome: { accepted: true, index: logIndex(4), term: term(3) },
  },
  {
    ...ENVELOPE,
    type: 'forwardReply',
    requestId: 5,
    outcome: { accepted: false, code: 'TRANSFERRING' },
  },
  { ...ENVELOPE, type: 'readIndexRequest', readId: 2 ** 50 },
  {
    ...ENVELOPE,
    type: 'readIndexReply',
    readId: 6,
    outcome: { confirmed: true, index: logIndex(8) },
  },
  {
    ...ENVELOPE,
    type: 'readIndexReply',
    readId: 6,
    outcome: { confirmed: false, code: 'LEADER_CHANGED' },
  },
];

describe('messages', () => {
  test('messages whose parts share a buffer are what they are in one of their own, and stay so', () => {
    const slab = new Slab(1000);
    const many = Array.from({ length: 100 }, () => [...MESSAGES, exampleAppend()]).flat();
    const shared = many.map((message) => encodeMessage(message, checksums, undefined, slab));
    for (const [at, message] of many.entries()) {
      expect(concatBytes(shared[at] ?? [])).toEqual(frameOf(message));
    }
  });

  test('every kind comes out as it went in', () => {
    const forward: Message = {
      ...ENVELOPE,
      type: 'forwardProposal',
      requestId: 11,
      command: { kind: 1, head: utf8('h'), body: [utf8('one'), utf8('two')] },
    };
    for (const message of MESSAGES) expect(decoded(frameOf(message))).toEqual(message);
    expect(decoded(frameOf(exampleAppend()))).toEqual(exampleAppend());
    const command = {
      kind: 1,
      head: utf8('h'),
      body: [utf8('onetwo')],
      bodyCrc: checksums.bodyChecksum.of([utf8('onetwo')]),
    };
    expect(decoded(frameOf(forward))).toEqual({ ...forward, command });
  });

  test('entries of every kind come out as they went in', () => {
    const contents: EntryContent[] = [
      { type: 'noop' },
      { type: 'membership', configuration: CONFIGURATION },
      { type: 'checkpoint', checkpoint: { checkedIndex: logIndex(44), stateHash: '00ff00ff' } },
      transaction(utf8('head'), undefined),
      transaction(utf8(''), new Uint8Array(100_000).fill(9)),
    ];
    const entries = contents.map((content, at) => entry(8 + at, 3, content));
    const message = { ...exampleAppend(), prevLogIndex: logIndex(7), entries } as Message;
    expect(decoded(frameOf(message))).toEqual(message);
  });

  test('an entry whose body the receiver keeps is whole there, and has no content where it is not the same', () => {
    const frame = exampleKept();
    const command = { kind: 1, head: utf8('head'), body: [utf8('bo'), utf8('dy')] };
    const withKept = (kept: Command | undefined): Message =>
      decodeMessage(frame, N1, N2, checksums, (requestId) =>
        requestId === 7 && kept !== undefined ? { bodyCrc: undefined, ...kept } : undefined,
      );
    const whole = transaction(utf8('head'), utf8('body'));
    const bodyCrc = whole.type === 'command' ? (whole.command as StoredCommand).bodyCrc : 0;
    const expected = exampleAppend();
    expect(withKept(command)).toEqual({
      ...expected,
      entries: [
        entry(301, 3, { type: 'noop' }),
        entry(302, 3, { type: 'command', command: { ...command, bodyCrc } } as EntryContent),
      ],
    });
    const others: (Command | undefined)[] = [
      undefined,
      { ...command, kind: 5 },
      { ...command, head: utf8('heat') },
      { ...command, body: [utf8('bodies')] },
      { ...command, body: [utf8('bodi')] },
      // What was kept has changed since its checksum was computed.
      { ...command, body: [utf8('bodi')], bodyCrc } as StoredCommand,
      { kind: 1, head: utf8('head') },
    ];
    for (const other of others) {
      expect(withKept(other)).toMatchObject({ entries: [{}, { content: undefined }] });
    }
    for (let at = 0; at < frame.length; at++) {
      expect(() => decoded(frame.slice(0, at))).toThrow(MalformedBytesError);
    }
    expect(() => decoded(concatBytes([frame, Uint8Array.of(0)]))).toThrow(MalformedBytesError);
  });

  test('a message of version 1, whose bodies have CRC-32C, is taken; of a changed body it is refused', () => {
    const frame = fromHex(
      '9bae187c190000000105 03ac0202ab0202030200000301 04 0450c93f26 68656164 626f6479'.replaceAll(
        ' ',
        '',
      ),
    );
    const { crc32c } = checksums;
    const whole = exampleAppend();
    const old = {
      kind: 1,
      head: utf8('head'),
      body: [utf8('body')],
      bodyCrc: crc32c(utf8('body')),
    };
    const content = { type: 'command', command: old } as EntryContent;
    const entries = [entry(301, 3, { type: 'noop' }), entry(302, 3, content)];
    expect(decoded(frame)).toEqual({ ...whole, entries });
    for (let bit = 0; bit < 32; bit++) {
      const changed = frame.slice();
      const at = frame.length - 4 + (bit >> 3);
      changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7));
      expect(() => decoded(changed)).toThrow(MalformedBytesError);
    }
    // As a leader that has the entry in its log of before sends it on.
    expect(decoded(frameOf({ ...whole, entries } as Message))).toEqual({ ...whole, entries });
  });

  test('any byte that is changed, cut off or added is refused with one error', () => {
    for (const message of [exampleAppend(), ...MESSAGES]) {
      const frame = frameOf(message);
      for (let at = 0; at < frame.length; at++) {
        const changed = frame.slice();
        changed[at] = (changed[at] ?? 0) ^ 0x41;
        expect(() => decoded(changed), `${message.type} at ${at}`).toThrow(MalformedBytesError);
        expect(() => decoded(frame.slice(0, at))).toThrow(MalformedBytesError);
      }
      expect(() => decoded(concatBytes([frame, Uint8Array.of(0)]))).toThrow(MalformedBytesError);
    }
  });

  test('any bytes under a right checksum are a message or refused, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(20),
        fc.integer({ min: 1, max: 3 }),
        (bytes, type, version) => {
          const part = concatBytes([Uint8Array.of(version, type), bytes]);
          const prefix = new Uint8Array(8);
          new DataView(prefix.buffer).setUint32(4, part.length, true);
          const frame = concatBytes([prefix, part]);
          new DataView(frame.buffer).setUint32(0, checksums.crc32c(frame, 0, 4), true);
          try {
            const message = decoded(frame);
            const isWhole = message.type !== 'appendEntries' || message.entries.every(hasContent);
            if (isWhole) expect(decoded(frameOf(message))).toEqual(message);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedBytesError);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('only what carries entries or proposals waits behind others of its kind', () => {
    const append = exampleAppend();
    expect(laneOf(append)).toBe('log');
    // Behind the entries that it speaks of.
    expect(laneOf({ ...append, entries: [] } as Message)).toBe('log');
    for (const message of MESSAGES) {
      // An accepted proposal's answer arrives with the entry.
      const isAccepted = message.type === 'forwardReply' && message.outcome.accepted;
      expect(laneOf(message)).toBe(isAccepted ? 'log' : 'control');
    }
  });
});

describe('replica.md', () => {
  async function example(name: string): Promise<Uint8Array> {
    const text = await readFile(
      new URL('../../../docs/formats/replica.md', import.meta.url),
      'utf8',
    );
    const found = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(text)?.[1];
    if (found === undefined) throw new Error(`there is no example ${name}`);
    return fromHex(found.replace(/\s/g, ''));
  }

  test('the example of a message is what it says, and what is sent', async () => {
    expect(frameOf(exampleAppend())).toEqual(await example('message'));
    expect(decoded(await example('message'))).toEqual(exampleAppend());
    expect(exampleKept()).toEqual(await example('kept'));
  });

  test('the examples of entries are what they say, and what is written', async () => {
    const membership = recordOf(
      { type: 'membership', configuration: CONFIGURATION },
      checksums.bodyChecksum,
    );
    expect(membership.head).toEqual(await example('membership'));
    expect(contentOf(membership)).toEqual({ type: 'membership', configuration: CONFIGURATION });
    const checkpoint = { checkedIndex: logIndex(300), stateHash: '0badcafe00000001' };
    const record = recordOf({ type: 'checkpoint', checkpoint }, checksums.bodyChecksum);
    expect(record.head).toEqual(await example('checkpoint'));
    const address = { host: '10.0.0.4', port: 7000 };
    expect(encodeAddress('n4', address)).toEqual(await example('address'));
    expect(decodeAddress(await example('address'))).toEqual({ nodeId: 'n4', address });
  });
});
