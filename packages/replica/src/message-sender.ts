import type { Checksums, LogIndex } from '@holdfast/bytes';
import { Slab } from '@holdfast/kv';
import type {
  AppendEntries,
  Command,
  Entry,
  ForwardProposal,
  Message,
  NodeId,
} from '@holdfast/raft';
import type { Wal } from '@holdfast/wal';
import { WalError } from '@holdfast/wal';
import { KEEPING, type KeptBodies } from './kept-bodies.ts';
import { loadEntries } from './log-reading.ts';
import { encodeMessage, laneOf } from './message-codec.ts';
import type { PeerLinks } from './peer-links.ts';

const SHARED_PARTS_BYTES: number = 64 * 1024;

export interface MessageSenderOptions {
  readonly wal: Wal;
  readonly links: PeerLinks;
  readonly checksums: Checksums;
  /** Which bodies need not be sent. */
  readonly kept: KeptBodies;
  /** What goes before a message to the peer. */
  readonly envelopeFor: (peer: NodeId) => Uint8Array;
  /** Entries for the peer did not leave. */
  readonly onLost: (peer: NodeId) => void;
  /** What the peer needs cannot be read. */
  readonly onFault: (peer: NodeId, error: unknown) => void;
  /** Among these entries of the log is a damaged one. */
  readonly onDamaged: (first: LogIndex, last: LogIndex, error: unknown) => void;
}

/** Sends Raft's messages, those with entries that Raft holds no more after reading them from the log. */
export class MessageSender {
  readonly #options: MessageSenderOptions;
  /** Peers whose next entries are being read from the log; entries that follow them wait, to keep their order. */
  readonly #loading = new Map<NodeId, Promise<void>>();
  /** Memory of small structured parts. Why not one for each: its checksum is taken of a view, which is made for each memory. */
  readonly #parts = new Slab(SHARED_PARTS_BYTES);
  #isStopped = false;

  constructor(options: MessageSenderOptions) {
    this.#options = options;
  }

  /** What is being read is not sent; resolves when nothing is being read. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loading.values());
  }

  /** Sends, or lets it be lost; Raft bears that. */
  send(message: Message): void {
    const { to } = message;
    const needsLog = message.type === 'appendEntries' && message.entries.some(isElsewhere);
    const before = this.#loading.get(to);
    if (!needsLog && (before === undefined || message.type !== 'appendEntries')) {
      this.#sendNow(message);
      return;
    }
    const loaded = this.#sendLoaded(message as AppendEntries, before).finally(() => {
      if (this.#loading.get(to) === loaded) this.#loading.delete(to);
    });
    this.#loading.set(to, loaded);
  }

  #sendNow(message: Message): void {
    const lane = laneOf(message);
    const { links, checksums, envelopeFor, kept } = this.#options;
    const said = message.type === 'forwardProposal' ? keeping(message) : message;
    const keptBy = (command: Command): number | undefined => kept.take(message.to, command);
    const parts = encodeMessage(said, checksums, keptBy, this.#parts);
    const isSent = links.send(message.to, lane, [envelopeFor(message.to), ...parts]);
    if (isSent || message.type !== 'appendEntries' || message.entries.length === 0) return;
    this.#options.onLost(message.to);
  }

  /** Reads from the log what Raft holds no more. Safety: where that cannot be read, or is another, nothing is sent. */
  async #sendLoaded(message: AppendEntries, before: Promise<void> | undefined): Promise<void> {
    await before;
    try {
      const entries = await loadEntries(this.#options.wal, message.entries);
      if (this.#isStopped) return;
      if (entries !== undefined) {
        this.#sendNow({ ...message, entries });
        return;
      }
    } catch (error) {
      this.#options.onFault(message.to, error);
      this.#noteDamaged(message, error);
    }
    if (!this.#isStopped) this.#options.onLost(message.to);
  }

  #noteDamaged({ entries }: AppendEntries, error: unknown): void {
    if (!(error instanceof WalError) || error.code !== 'WAL_CORRUPTION' || this.#isStopped) return;
    const read = entries.filter(isElsewhere);
    const [first] = read;
    const last = read.at(-1);
    if (first !== undefined && last !== undefined) {
      this.#options.onDamaged(first.index, last.index, error);
    }
  }
}

/** `Proposals` keeps the body until it is answered. */
function keeping(message: ForwardProposal): ForwardProposal {
  return { ...message, requestId: message.requestId + KEEPING };
}

function isElsewhere({ content }: Entry): boolean {
  return content === undefined;
}
