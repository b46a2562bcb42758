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
import { BLOCK_BYTES, FORMAT_VERSION, STATE_MAGIC, setU64, viewOf } from './layout.ts';
import type { HardState } from './wal.ts';

/** What both slots hold: Raft's hard state, and where the log begins. */
export interface WalState {
  readonly hardState: HardState;
  /** First index still in the log. */
  readonly firstIndex: number;
  /** Term of the record before it; 0 where there was none. */
  readonly termBefore: number;
}

const CRC_AT = BLOCK_BYTES - 4;
const VOTE_AT = 48;
const VOTE_LIMIT_BYTES = 256;

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
  view.setUint16(4, FORMAT_VERSION, true);
  view.setUint16(6, votedFor === undefined ? 0xffff : vote.length, true);
  setU64(view, 8, version);
  setU64(view, 16, state.hardState.term);
  setU64(view, 24, state.hardState.commitIndex);
  setU64(view, 32, state.firstIndex);
  setU64(view, 40, state.termBefore);
  block.set(vote, VOTE_AT);
  view.setUint32(CRC_AT - 4, clusterTag, true);
  view.setUint32(CRC_AT, crc32c(block.subarray(0, CRC_AT)), true);
}

export type StateSlot = {
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
  if (view.getUint16(4, true) > FORMAT_VERSION) return 'newer';
  const reader = new ByteReader(block.subarray(6));
  const voteLength = reader.u16();
  const version = reader.u64();
  const stateTerm = term(reader.u64());
  const commitIndex = logIndex(reader.u64());
  const firstIndex = reader.u64();
  const termBefore = reader.u64();
  const votedFor = voteLength === 0xffff ? undefined : fromUtf8(reader.bytes(voteLength));
  return {
    version,
    state: { hardState: { term: stateTerm, votedFor, commitIndex }, firstIndex, termBefore },
    tag: view.getUint32(CRC_AT - 4, true),
  };
}

/**
 * The two slots as files.
 *
 * Durability: a save writes one slot, syncs it, writes the other, syncs it, and only then is it
 * acknowledged. So both hold every acknowledged state: any one slot that is damaged later is seen
 * (its checksum fails) and loses nothing, and a slot that is torn by a crash was never acknowledged.
 */
export class StateSlots {
  readonly #files: Files;
  readonly #handles: readonly [FileHandle, FileHandle];
  readonly #crc32c: Crc32c;
  readonly #tag: number;
  readonly #block: Uint8Array;
  #version: number;
  #valid: [boolean, boolean];

  constructor(
    files: Files,
    handles: readonly [FileHandle, FileHandle],
    crc32c: Crc32c,
    tag: number,
    version: number,
    valid: [boolean, boolean],
  ) {
    this.#files = files;
    this.#handles = handles;
    this.#crc32c = crc32c;
    this.#tag = tag;
    this.#version = version;
    this.#valid = valid;
    this.#block = this.#files.allocate(BLOCK_BYTES);
  }

  /**
   * Durable in both slots when it resolves. One call at a time.
   *
   * Invariant: a slot that may be damaged is written first, so there is always one that is whole.
   */
  async save(state: WalState): Promise<void> {
    encodeStateSlot(this.#block, this.#version + 1, state, this.#tag, this.#crc32c);
    this.#version++;
    const order = this.#valid[0] ? ([1, 0] as const) : ([0, 1] as const);
    for (const slot of order) {
      this.#valid[slot] = false;
      await this.#handles[slot].writeSynced(this.#block, 0);
      this.#valid[slot] = true;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }
}
