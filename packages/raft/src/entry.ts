import type { LogIndex, Term } from '@holdfast/bytes';
import type { Configuration } from './configuration.ts';

/** What a client asked for. The core counts its bytes and never looks into it. */
export interface Command {
  /** The caller's record type, 0 to 255. */
  readonly kind: number;
  readonly head: Uint8Array;
  /** Bulk bytes, in order. The core keeps references: the caller must not change them. */
  readonly body?: readonly Uint8Array[];
}

/** Says what the state was after every entry up to `checkedIndex`, so that replicas can compare. */
export interface Checkpoint {
  readonly checkedIndex: LogIndex;
  readonly stateHash: string;
}

export type EntryContent =
  /** The first entry of every leader: commits what earlier terms left. */
  | { readonly type: 'noop' }
  | { readonly type: 'command'; readonly command: Command }
  /** In force on a node from the moment it is in that node's log, committed or not. */
  | { readonly type: 'membership'; readonly configuration: Configuration }
  | { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint };

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  /** What the entry counts for in every window and limit. */
  readonly sizeBytes: number;
  /**
   * Undefined where the core no longer holds it: the driver reads (index, term) from its log before it sends or
   * applies, and drops the message if the log has another term there by now.
   */
  readonly content: EntryContent | undefined;
}

/** What an entry costs beside its payload. Membership and checkpoint entries count as this much. */
const ENTRY_OVERHEAD_BYTES = 32;

/** Bytes that content counts for in windows and limits. */
export function contentSizeBytes(content: EntryContent): number {
  if (content.type !== 'command') return ENTRY_OVERHEAD_BYTES;
  const { head, body } = content.command;
  const bodyBytes = body === undefined ? 0 : body.reduce((sum, part) => sum + part.length, 0);
  return ENTRY_OVERHEAD_BYTES + head.length + bodyBytes;
}
