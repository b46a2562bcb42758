import { logIndex, term, utf8 } from '@holdfast/bytes';
import type { FileHandle } from '@holdfast/env';
import { allEnded } from './all-ended.ts';
import { corruption, foreign, isFileError, newerFormat } from './damage.ts';
import { pathIn, STATE_NAMES } from './file-names.ts';
import { replaceFile } from './file-replacement.ts';
import { BLOCK_BYTES, STATE_FORMAT_VERSION } from './layout.ts';
import type { Settings } from './settings.ts';
import {
  decodeStateSlot,
  encodeStateSlot,
  type NewestSegment,
  type StateSlot,
  StateSlots,
  type WalState,
} from './state-slots.ts';

/** What the two slots say, before anything is changed. */
export interface FoundState {
  readonly state: WalState;
  /** Version in each slot; 0 where it is missing or damaged. */
  readonly versions: readonly [number, number];
  /** It says more than the slots do, or they are of an older format: it is to be saved. */
  readonly isAmended?: boolean;
}

/** The slots' files, open for writing; undefined where there is none. */
export type SlotFiles = readonly [FileHandle | undefined, FileHandle | undefined];

/** Opens those slots that are there, each on its own. */
export function openSlots(settings: Settings): Promise<FileHandle | undefined>[] {
  return STATE_NAMES.map((name) => openSlot(settings, name));
}

/** Reads both slots; `fresh` says that the folder holds no segment, so that there may be none. */
export async function readState(
  settings: Settings,
  slots: SlotFiles,
  fresh: boolean,
): Promise<FoundState> {
  const [a, b] = await allEnded([readSlot(settings, slots[0]), readSlot(settings, slots[1])]);
  const newest = a !== undefined && (b === undefined || a.version >= b.version) ? a : b;
  if (newest === undefined) {
    const path = pathIn(settings.directory, STATE_NAMES[0]);
    if (!fresh) throw corruption(path, 0, 'neither hard state slot matches its checksum');
    return { state: emptyState(), versions: [0, 0] };
  }
  return {
    state: newest.state,
    versions: [a?.version ?? 0, b?.version ?? 0],
    // Safety: before a body is written whose checksum an older Holdfast would take for a torn one's, the slots refuse it.
    isAmended: newest.formatVersion < STATE_FORMAT_VERSION,
  };
}

/**
 * Makes the slots that are missing, and both hold the state found, with the newest segment there is now. `there` is
 * closed with the slots, or by the caller where it rejects.
 *
 * Safety: a slot that a crash tore was never acknowledged, and one that rotted has its equal in the
 * other: either way the newest whole one is right. It is made durable in both before anybody relies on
 * it, so that it cannot be taken back by a second crash.
 */
export async function openState(
  settings: Settings,
  { state, versions, isAmended = false }: FoundState,
  newest: NewestSegment | undefined,
  there: SlotFiles = [undefined, undefined],
): Promise<StateSlots> {
  const { files, crc32c } = settings.env;
  const replaced = await replaceOlder(settings, state, versions, there);
  const made: FileHandle[] = [];
  const slotAt = async (at: 0 | 1): Promise<FileHandle> => {
    const isReplaced = replaced?.at === at;
    const found = isReplaced ? undefined : there[at];
    if (found !== undefined) return found;
    const path = pathIn(settings.directory, STATE_NAMES[at]);
    const mode = isReplaced ? 'write' : 'create';
    const slot = await files.open(path, mode, { direct: true, mode: 0o600 });
    made.push(slot);
    return slot;
  };
  try {
    const handles = [await slotAt(0), await slotAt(1)] as const;
    const known = replaced?.versions ?? versions;
    const slots = new StateSlots(files, handles, crc32c, identityTag(settings), known);
    const isNamed = newest?.segmentId === state.newest?.segmentId;
    if (known[0] === 0 || known[0] !== known[1] || !isNamed || isAmended) {
      await slots.save({ ...state, newest });
      await files.syncDirectory(settings.directory);
    }
    if (replaced !== undefined) await there[replaced.at]?.close();
    return slots;
  } catch (error) {
    await Promise.all(made.map((slot) => slot.close()));
    throw error;
  }
}

/** A slot whose file another has taken the place of, and what is in the slots then. */
interface ReplacedSlot {
  readonly at: 0 | 1;
  readonly versions: readonly [number, number];
}

/**
 * Where no write is direct: makes the state durable in a file that takes the place of the older slot's, so that it is in both when
 * the other is written. undefined where that is not needed.
 *
 * Safety: there a cache may show, as clean, what the disk failed to write. Neither slot is to be relied on, by a vote that is told
 * again or by writing over the other: for the disk may have the state in one of them alone.
 */
async function replaceOlder(
  settings: Settings,
  state: WalState,
  versions: readonly [number, number],
  there: SlotFiles,
): Promise<ReplacedSlot | undefined> {
  const version = Math.max(...versions) + 1;
  if (version === 1 || there.every((slot) => slot?.direct !== false)) return undefined;
  const at = versions[0] <= versions[1] ? 0 : 1;
  const block = new Uint8Array(BLOCK_BYTES);
  encodeStateSlot(block, version, state, identityTag(settings), settings.env.crc32c);
  const path = pathIn(settings.directory, STATE_NAMES[at]);
  await replaceFile(settings, path, { mode: 0o600 }, (copy) => copy.write(block, 0));
  return { at, versions: at === 0 ? [version, versions[1]] : [versions[0], version] };
}

async function openSlot(settings: Settings, name: string): Promise<FileHandle | undefined> {
  const path = pathIn(settings.directory, name);
  try {
    return await settings.env.files.open(path, 'write', { direct: true });
  } catch (error) {
    if (!isFileError(error, 'FILE_NOT_FOUND')) throw error;
    return undefined;
  }
}

async function readSlot(
  settings: Settings,
  handle: FileHandle | undefined,
): Promise<StateSlot | undefined> {
  if (handle === undefined) return undefined;
  const block = new Uint8Array(BLOCK_BYTES);
  if ((await handle.read(block, 0)) < BLOCK_BYTES) return undefined;
  const slot = decodeStateSlot(block, settings.env.crc32c);
  if (slot === 'newer') throw newerFormat(handle.path);
  if (slot === 'damaged') return undefined;
  if (slot.tag !== identityTag(settings)) {
    const { clusterId, nodeId } = settings.identity;
    throw foreign(handle.path, 'another node or cluster', `node ${nodeId} of cluster ${clusterId}`);
  }
  return slot;
}

function identityTag(settings: Settings): number {
  const { clusterId, nodeId } = settings.identity;
  return settings.env.crc32c(utf8(clusterId + nodeId));
}

function emptyState(): WalState {
  const hardState = { term: term(0), votedFor: undefined, commitIndex: logIndex(0) };
  return { hardState, firstIndex: 1, termBefore: 0, newest: undefined, durableIndex: 0 };
}
