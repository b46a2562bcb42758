import { invariant, logIndex, term } from '@holdfast/bytes';
import type { Address, Connection, Env, Network } from '@holdfast/env';
import type { StoreImages, ValueName, WholeImage } from '@holdfast/kv';
import type { Ready, SnapshotMetadata } from '@holdfast/raft';
import { clusterNotesOf } from '../cluster-notes.ts';
import type { ResolvedReplicaSettings } from '../settings.ts';
import type { ImageServerOptions } from './image-server.ts';
import { ImageServer } from './image-server.ts';
import { StateTransfer } from './state-transfer.ts';
import { ValueRepair } from './value-repair.ts';

/** What transfers ask of the node. */
export interface TransferHooks {
  /** `Raft.restoreSnapshot`: false where the snapshot is not needed any more. */
  readonly restore: (snapshot: SnapshotMetadata) => boolean;
}

export interface TransferHubOptions {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly network: Network;
  readonly images: StoreImages;
  /** Other nodes, and where they may be. */
  readonly sources: () => readonly { readonly nodeId: string; readonly address: Address }[];
  readonly settings: ResolvedReplicaSettings;
  readonly hooks: TransferHooks;
  readonly answerMember: ImageServerOptions['answerMember'];
  /** What else asks other nodes on the bulk lane; stopped with the hub. */
  readonly asking: readonly { stop(): Promise<void> }[];
  readonly onTrouble: (nodeId: string, error: unknown) => void;
}

const IMAGE_LIMIT = 4;

/** State that goes from this node to others, and from others to this node. */
export class TransferHub {
  readonly #options: TransferHubOptions;
  readonly #server: ImageServer;
  readonly #transfer: StateTransfer;
  readonly #repair: ValueRepair;

  constructor(options: TransferHubOptions) {
    const { env, network, images, settings, sources, answerMember, onTrouble } = options;
    const { clock, random } = env;
    this.#options = options;
    this.#server = new ImageServer({
      clock,
      random,
      images,
      bytesPerSecond: settings.transferBytesPerSecond,
      leaseMs: settings.transferLeaseMs,
      imageLimit: IMAGE_LIMIT,
      answerMember,
      onFault: onTrouble,
    });
    this.#repair = new ValueRepair({
      network,
      clock,
      answerLimitMs: settings.transferAnswerLimitMs,
      sources,
      onTrouble,
    });
    this.#transfer = new StateTransfer({
      network,
      clock,
      images,
      settings: settings.transfer,
      answerLimitMs: settings.transferAnswerLimitMs,
      sources,
      onWhole: (image, notes) => this.#restore(image, notes),
      onTrouble,
    });
  }

  serve(connection: Connection): void {
    this.#server.serve(connection);
  }

  /** A leader has released what this node lacks: its state is fetched, from the leader or any other member. */
  take({ from, snapshot }: NonNullable<Ready['snapshotOffer']>): void {
    this.#transfer.start(from, snapshot.index);
  }

  /**
   * Durability: the state that `restore` was called with is the store's when it resolves. KV_NO_SPACE: it is not, and may be
   * tried again. Where it rejects otherwise nobody knows, and the node stops.
   */
  async install(): Promise<void> {
    await this.#transfer.install();
  }

  /** A value that is damaged here, from any member that has it whole. Never rejects. */
  async find(name: ValueName): Promise<Uint8Array | undefined> {
    return this.#options.settings.repairsFromPeers ? this.#repair.find(name) : undefined;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#options.asking.map((one) => one.stop()));
    await this.#repair.close();
    await this.#transfer.stop();
    await this.#server.close();
  }

  #restore({ index, term: ofIndex }: WholeImage, notes: ReadonlyMap<string, Uint8Array>): void {
    const known = clusterNotesOf(notes).configurations.at(-1);
    invariant(known !== undefined, 'a state of a cluster says who belongs to it');
    const { configuration } = known;
    const snapshot = { index: logIndex(index), term: term(ofIndex), configuration };
    // What is not needed any more stays until the next time, or the next start.
    if (!this.#options.hooks.restore(snapshot)) void this.#transfer.finish();
  }
}
