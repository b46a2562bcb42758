/**
 * What two nodes say on the bulk lane: one asks, the other answers. `docs/formats/transfer.md`. Questions may be asked
 * again, so a lost, doubled or late frame does no harm.
 */
import { ByteReader, ByteWriter, MalformedBytesError } from '@holdfast/bytes';
import type { Address } from '@holdfast/env';
import type { ImageSection, ListRequest, ValueName } from '@holdfast/kv';
import {
  decodeImageEntry,
  decodeValueName,
  encodeImageEntry,
  encodeValueName,
  PAGE_SECTION_LIMIT,
  SECTION_ENTRY_LIMIT,
} from '@holdfast/kv';

const FORMAT_VERSION = 1;
const DIGEST_SIZE_BYTES = 32;
/** Values of one question, at most. */
const NAME_LIMIT: number = SECTION_ENTRY_LIMIT;
const PORT_LIMIT = 65_535;

const OPEN = 1;
const LIST = 2;
const VALUES = 3;
const CLOSE = 4;
const LEAVE = 5;
const ENTER = 6;
const STANDING = 7;
const ADDRESS = 8;
const OPENED = 0x81;
const LISTED = 0x82;
const VALUES_FOUND = 0x83;
const REFUSED = 0x84;
const MEMBER = 0x85;

/** Images that are not there are asked for by this id: then the values are looked for in the state of now. */
export const NO_IMAGE = 0;

export type Question =
  /** An image of at least this index. */
  | { readonly type: 'open'; readonly leastIndex: number }
  | { readonly type: 'list'; readonly imageId: number; readonly request: ListRequest }
  | { readonly type: 'values'; readonly imageId: number; readonly names: readonly ValueName[] }
  /** Not answered. */
  | { readonly type: 'close'; readonly imageId: number }
  /** Who asks is to be no member: its files are damaged. */
  | { readonly type: 'leave' }
  /** Who asks, with this folder, is to be a member, and as soon as it has everything a voter. Asked again until it is. */
  | { readonly type: 'enter'; readonly incarnation: string; readonly address: Address }
  /** What who asks is, with this folder, whose log ends there. */
  | {
      readonly type: 'standing';
      readonly incarnation: string;
      readonly lastIndex: number;
      readonly lastTerm: number;
    }
  /** Where who asks is reached. Answered by what it is, as far as is known there. */
  | { readonly type: 'address'; readonly address: Address };

/** Questions that members ask as such. */
export type MemberQuestion = Extract<
  Question,
  { type: 'leave' | 'enter' | 'standing' | 'address' }
>;

/** What a node is for the members. */
export const ROLES = ['none', 'learner', 'voter'] as const;
export type MemberRole = (typeof ROLES)[number];

export const REFUSALS = [
  'NO_IMAGE',
  'BEHIND',
  'BUSY',
  'DAMAGED',
  'FAILED',
  'NOT_LEADER',
  'REMOVED',
] as const;
/**
 * NO_IMAGE: it was let go of. BEHIND: this node's state is older than what is asked for. BUSY: too many images. DAMAGED: what
 * is asked for is damaged here. FAILED: anything else. NOT_LEADER: members are changed by the leader alone. REMOVED: the node was
 * removed by hand, and is not taken in by itself; to the question what it is: it is no member.
 */
export type Refusal = (typeof REFUSALS)[number];

export type Answer =
  | {
      readonly type: 'opened';
      readonly imageId: number;
      readonly index: number;
      readonly term: number;
    }
  | { readonly type: 'listed'; readonly sections: readonly ImageSection[] }
  /** In the order of their names; undefined: not there, or not whole. */
  | { readonly type: 'values'; readonly values: readonly (Uint8Array | undefined)[] }
  | { readonly type: 'refused'; readonly refusal: Refusal }
  /** What who asked is from here on. */
  | { readonly type: 'member'; readonly role: MemberRole };

export interface Asked<Content> {
  /** Of the question; the answer has it too. */
  readonly requestId: number;
  readonly content: Content;
}

export function encodeQuestion(requestId: number, question: Question): Uint8Array {
  const writer = new ByteWriter(256).u8(FORMAT_VERSION);
  switch (question.type) {
    case 'open':
      return writer.u8(OPEN).u32(requestId).varint(question.leastIndex).finish();
    case 'close':
      return writer.u8(CLOSE).u32(requestId).u32(question.imageId).finish();
    case 'list': {
      const { after, upTo, since, sectionLimit } = question.request;
      writer.u8(LIST).u32(requestId).u32(question.imageId);
      // No key is empty.
      writer.sized(after ?? NO_KEY).sized(upTo ?? NO_KEY);
      return writer.varint(since).u8(sectionLimit).finish();
    }
    case 'values': {
      writer.u8(VALUES).u32(requestId).u32(question.imageId).varint(question.names.length);
      for (const name of question.names) encodeValueName(writer, name);
      return writer.finish();
    }
    case 'leave':
      return writer.u8(LEAVE).u32(requestId).finish();
    case 'enter': {
      const { incarnation, address } = question;
      writer.u8(ENTER).u32(requestId).text(incarnation);
      return writer.text(address.host).varint(address.port).finish();
    }
    case 'address': {
      const { host, port } = question.address;
      return writer.u8(ADDRESS).u32(requestId).text(host).varint(port).finish();
    }
    case 'standing': {
      const { incarnation, lastIndex, lastTerm } = question;
      writer.u8(STANDING).u32(requestId).text(incarnation);
      return writer.varint(lastIndex).varint(lastTerm).finish();
    }
  }
}

/** Throws a MalformedBytesError. */
export function decodeQuestion(frame: Uint8Array): Asked<Question> {
  const { reader, kind, requestId } = begin(frame);
  const content = questionOf(reader, kind);
  if (reader.remaining > 0) throw new MalformedBytesError('bytes left over in a question');
  return { requestId, content };
}

/** In parts: values are not copied. */
export function encodeAnswer(requestId: number, answer: Answer): Uint8Array[] {
  const writer = new ByteWriter(256).u8(FORMAT_VERSION);
  switch (answer.type) {
    case 'opened': {
      const { imageId, index, term } = answer;
      writer.u8(OPENED).u32(requestId).u32(imageId).varint(index).varint(term);
      return [writer.finish()];
    }
    case 'refused':
      return [writer.u8(REFUSED).u32(requestId).u8(REFUSALS.indexOf(answer.refusal)).finish()];
    case 'member':
      return [writer.u8(MEMBER).u32(requestId).u8(ROLES.indexOf(answer.role)).finish()];
    case 'listed': {
      writer.u8(LISTED).u32(requestId).u8(answer.sections.length);
      for (const { end, digest, fresh } of answer.sections) {
        writer
          .sized(end ?? NO_KEY)
          .bytes(digest)
          .varint(fresh.length);
        for (const { key, record } of fresh) encodeImageEntry(writer, key, record);
      }
      return [writer.finish()];
    }
    case 'values': {
      writer.u8(VALUES_FOUND).u32(requestId).varint(answer.values.length);
      // 0: not there. A value that is asked for is never empty.
      for (const value of answer.values) writer.varint(value?.length ?? 0);
      return [writer.finish(), ...answer.values.filter((value) => value !== undefined)];
    }
  }
}

/** Throws a MalformedBytesError. Values share memory with the frame. */
export function decodeAnswer(frame: Uint8Array): Asked<Answer> {
  const { reader, kind, requestId } = begin(frame);
  const content = answerOf(reader, kind);
  if (reader.remaining > 0) throw new MalformedBytesError('bytes left over in an answer');
  return { requestId, content };
}

const NO_KEY: Uint8Array = new Uint8Array(0);

function begin(frame: Uint8Array): { reader: ByteReader; kind: number; requestId: number } {
  const reader = new ByteReader(frame);
  const version = reader.u8();
  if (version !== FORMAT_VERSION) throw new MalformedBytesError(`a transfer of format ${version}`);
  return { reader, kind: reader.u8(), requestId: reader.u32() };
}

function questionOf(reader: ByteReader, kind: number): Question {
  if (kind === OPEN) return { type: 'open', leastIndex: reader.varint() };
  if (kind === LEAVE) return { type: 'leave' };
  if (kind === ENTER) {
    return { type: 'enter', incarnation: reader.text(), address: addressOf(reader) };
  }
  if (kind === ADDRESS) return { type: 'address', address: addressOf(reader) };
  if (kind === STANDING) {
    const [incarnation, lastIndex, lastTerm] = [reader.text(), reader.varint(), reader.varint()];
    return { type: 'standing', incarnation, lastIndex, lastTerm };
  }
  const imageId = reader.u32();
  if (kind === CLOSE) return { type: 'close', imageId };
  if (kind === VALUES) {
    const count = counted(reader.varint(), NAME_LIMIT);
    return { type: 'values', imageId, names: times(count, () => decodeValueName(reader)) };
  }
  if (kind !== LIST) throw new MalformedBytesError(`unknown question ${kind}`);
  const after = keyOf(reader);
  const upTo = keyOf(reader);
  const since = reader.varint();
  const sectionLimit = counted(reader.u8(), PAGE_SECTION_LIMIT);
  if (sectionLimit === 0) throw new MalformedBytesError('a list of nothing');
  return { type: 'list', imageId, request: { after, upTo, since, sectionLimit } };
}

function answerOf(reader: ByteReader, kind: number): Answer {
  if (kind === OPENED) {
    const [imageId, index, term] = [reader.u32(), reader.varint(), reader.varint()];
    return { type: 'opened', imageId, index, term };
  }
  if (kind === REFUSED) {
    const refusal = REFUSALS[reader.u8()];
    if (refusal === undefined) throw new MalformedBytesError('an unknown refusal');
    return { type: 'refused', refusal };
  }
  if (kind === MEMBER) {
    const role = ROLES[reader.u8()];
    if (role === undefined) throw new MalformedBytesError('an unknown role');
    return { type: 'member', role };
  }
  if (kind === LISTED) {
    const count = counted(reader.u8(), PAGE_SECTION_LIMIT);
    return { type: 'listed', sections: times(count, () => sectionOf(reader)) };
  }
  if (kind !== VALUES_FOUND) throw new MalformedBytesError(`unknown answer ${kind}`);
  const sizes = times(counted(reader.varint(), NAME_LIMIT), () => reader.varint());
  const values = sizes.map((size) => (size === 0 ? undefined : reader.bytes(size)));
  return { type: 'values', values };
}

function sectionOf(reader: ByteReader): ImageSection {
  const end = keyOf(reader);
  const digest = reader.bytes(DIGEST_SIZE_BYTES);
  const count = counted(reader.varint(), SECTION_ENTRY_LIMIT);
  return { end, digest, fresh: times(count, () => decodeImageEntry(reader)) };
}

function addressOf(reader: ByteReader): Address {
  const address = { host: reader.text(), port: reader.varint() };
  if (address.host === '' || address.port === 0) throw new MalformedBytesError('no address');
  counted(address.port, PORT_LIMIT);
  return address;
}

function keyOf(reader: ByteReader): Uint8Array | undefined {
  const key = reader.sized();
  return key.length === 0 ? undefined : key;
}

function counted(count: number, limit: number): number {
  if (count > limit) throw new MalformedBytesError(`${count} is more than ${limit}`);
  return count;
}

function times<Item>(count: number, make: () => Item): Item[] {
  return Array.from({ length: count }, make);
}
