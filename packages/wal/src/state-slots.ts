import {
  ByteReader,
  type Crc32c,
  fromUtf8,
  invariant,
  logIndex,
  term,
  utf8,
} from '@holdfast/bytes';
import type { FileHandle, Files } from '@holdfast/env';
import {
  BLOCK_BYTES,
  getU64,
  STATE_FORMAT_VERSION,
  STATE_MAGIC,
  setU64,
  viewOf,
} from './layout.ts';
import type { HardState } from './wal.ts';

/** What both slots hold: Raft's hard state, and where the log begins. */
export interface WalState {
  readonly hardState: HardState;
  /** First index still in the log. */
  readonly firstIndex: number;
  /** Term of the record before it; 0 where there was none. */
  readonly termBefore: number;
  /** The newest segment that is known to be durable: it, or a later one, must be there. */
  readonly newest: NewestSegment | undefined;
  /** A record that was durable when the log was closed in order: it must be there. 0 where none is known. */
  readonly durableIndex: number;
}

/** Names a segment's file. */
export interface NewestSegment {
  readonly segmentId: number;
  readonly baseIndex: number;
}

const CRC_AT = BLOCK_BYTES - 4;
const VOTE_AT = 48;
const VOTE_LIMIT_BYTES = 256;
const NEWEST_AT = CRC_AT - 20;
const DURABLE_AT = NEWEST_AT - 8;

/** One slot: a block with a version counter, so that the newest valid one wins. */
export function encodeStateSlot(
  block: Uint8Array,
  version: number,
  state: WalState,
  clusterTag: number,
  crc32c: Crc32c,
): void {
  block.fill(0);
  const view = viewOf(block);
  const { votedFor } = state.hardState;
  const vote = utf8(votedFor ?? '');
  invariant(vote.length <= VOTE_LIMIT_BYTES, `a node id has at most ${VOTE_LIMIT_BYTES} bytes`);
  view.setUint32(0, STATE_MAGIC, true);
  view.setUint16(4, STATE_FORMAT_VERSION, true);
  view.setUint16(6, votedFor === undefined ? 0xffff : vote.length, true);
  setU64(view, 8, version);
  setU64(view, 16, state.hardState.term);
  setU64(view, 24, state.hardState.commitIndex);
  setU64(view, 32, state.firstIndex);
  setU64(view, 40, state.termBefore);
  block.set(vote, VOTE_AT);
  setU64(view, DURABLE_AT, state.durableIndex);
  setU64(view, NEWEST_AT, state.newest?.baseIndex ?? 0);
  view.setUint32(NEWEST_AT + 8, state.newest?.segmentId ?? 0, true);
  view.setUint32(CRC_AT - 4, clusterTag, true);
  view.setUint32(CRC_AT, crc32c(block.subarray(0, CRC_AT)), true);
}

export type StateSlot = {
  /** Of the format; the version is the slot's own. */
  readonly formatVersion: number;
  readonly version: number;
  readonly state: WalState;
  readonly tag: number;
};

/** The slot's content, or what is wrong with it. */
export function decodeStateSlot(
  block: Uint8Array,
  crc32c: Crc32c,
): StateSlot | 'damaged' | 'newer' {
  if (block.length < BLOCK_BYTES) return 'damaged';
  const view = viewOf(block);
  if (view.getUint32(0, true) !== STATE_MAGIC) return 'damaged';
  if (crc32c(block.subarray(0, CRC_AT)) !== view.getUint32(CRC_AT, true)) return 'damaged';
  const formatVersion = view.getUint16(4, true);
  if (formatVersion > STATE_FORMAT_VERSION) return 'newer';
  const reader = new ByteReader(block.subarray(6));
  const voteLength = reader.u16();
  const version = reader.u64();
  const stateTerm = term(reader.u64());
  const commitIndex = logIndex(reader.u64());
  const firstIndex = reader.u64();
  const termBefore = reader.u64();
  const votedFor = voteLength === 0xffff ? undefined : fromUtf8(reader.bytes(voteLength));
  const hardState = { term: stateTerm, votedFor, commitIndex };
  return {
    formatVersion,
    version,
    state: {
      hardState,
      firstIndex,
      termBefore,
      newest: newestOf(view),
      durableIndex: getU64(view, DURABLE_AT),
    },
    tag: view.getUint32(CRC_AT - 4, true),
  };
}

/** A slot of format version 1 has zeros here, and names none. */
function newestOf(view: DataView): NewestSegment | undefined {
  const segmentId = view.getUint32(NEWEST_AT + 8, true);
  return segmentId === 0 ? undefined : { segmentId, baseIndex: getU64(view, NEWEST_AT) };
}

/**
 * The two slots as files.
 *
 * Durability: a save writes one slot, syncs it, writes the other, syncs it, and only then is it
 * acknowledged. So both hold every acknowledged state: any one slot that is damaged later is seen
 * (its checksum fails) and loses nothing, and a slot that is torn by a crash was never acknowledged.
 */
export class StateSlots {
  readonly #handles: readonly [FileHandle, FileHandle];
  readonly #crc32c: Crc32c;
  readonly #tag: number;
  readonly #block: Uint8Array;
  /** Version in each slot; 0 where it may be damaged. */
  readonly #versions: [number, number];
  #version: number;
  /** What the slots held when they were opened is durable in the one that is not written next. */
  #isSafe = false;

  constructor(
    files: Files,
    handles: readonly [FileHandle, FileHandle],
    crc32c: Crc32c,
    tag: number,
    versions: readonly [number, number],
  ) {
    this.#handles = handles;
    this.#crc32c = crc32c;
    this.#tag = tag;
    this.#versions = [...versions];
    this.#version = Math.max(...versions);
    this.#block = files.allocate(BLOCK_BYTES);
  }

  /** Durable in both slots when it resolves. One call at a time. */
  async save(state: WalState): Promise<void> {
    this.#encode(state);
    await this.#writeOlder();
    await this.#writeOlder();
  }

  /**
   * Durable in one slot when it resolves, at half the cost. Damage of that slot takes the change back, and
   * nothing that was saved before it. One call at a time.
   */
  async saveOnce(state: WalState): Promise<void> {
    this.#encode(state);
    await this.#writeOlder();
  }

  async close(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }

  #encode(state: WalState): void {
    this.#version++;
    encodeStateSlot(this.#block, this.#version, state, this.#tag, this.#crc32c);
  }

  /** Invariant: the slot that is damaged or older is written first, so the newest is always whole in one. */
  async #writeOlder(): Promise<void> {
    const slot = this.#versions[0] <= this.#versions[1] ? 0 : 1;
    const kept = slot === 0 ? 1 : 0;
    // Safety: a process that was killed may have left it in a cache of the device. Torn, the other would be gone with it.
    if (!this.#isSafe && this.#versions[kept] > 0) await this.#handles[kept].sync();
    this.#isSafe = true;
    this.#versions[slot] = 0;
    await this.#handles[slot].writeSynced(this.#block, 0);
    this.#versions[slot] = this.#version;
  }
}
