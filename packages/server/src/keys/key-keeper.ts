import { isDeepStrictEqual } from 'node:util';
import type { Env } from '@holdfast/env';
import type { KvStore } from '@holdfast/kv';
import type { ObjectStore } from '@holdfast/objects';
import type { Log } from '../log.ts';
import { type PeriodicPass, startPeriodicPass } from '../periodic-pass.ts';
import { resealUsers } from '../users/user-store.ts';
import type { AgreedKeys } from './agreed-keys.ts';
import {
  agreedKey,
  changeAgreement,
  type KeyAgreement,
  nextPresent,
  notSealing,
  readAgreement,
  type StoredAgreement,
} from './key-agreement.ts';
import { closeUse, forgetUse, isOpen, listUse, readUse, type UsedKey } from './key-usage.ts';

export interface KeyKeeperOptions {
  readonly kv: KvStore;
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly log: Log;
  readonly objects: Pick<ObjectStore, 'rewrapKeys'>;
  readonly keys: AgreedKeys;
  readonly nodeId: string;
  /** Voters and learners. */
  readonly members: () => readonly string[];
  /** Whether what is done once for the whole cluster is this node's to do. */
  readonly leads: () => boolean;
}

/**
 * A node's part in the agreement on master keys, and the leader's: to change the present key when all have it, and to let go
 * of an older one when nothing needs it. Each step is a transaction of its own, so that any node goes on where one has ended.
 */
export class KeyKeeper {
  readonly #options: KeyKeeperOptions;
  #isStopping = false;
  #looking: PeriodicPass | undefined;
  #told = '';

  constructor(options: KeyKeeperOptions) {
    this.#options = options;
  }

  /** Looks every `intervalMs`, until `stop`. Does nothing after it. */
  start(intervalMs: number): void {
    if (this.#isStopping) return;
    const { env, log } = this.#options;
    const name = 'the agreement on master keys';
    const run = (): Promise<void> => this.look();
    this.#looking = startPeriodicPass({ clock: env.clock, log, name, run, intervalMs });
  }

  /** No further look; resolves when the one that runs has ended, at its next record. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#looking?.stop();
  }

  /** Follows the agreement; on the leader, takes it further. Throws a SettingsError as `follow` does. */
  async look(): Promise<void> {
    await this.follow();
    if (this.#options.leads()) await this.#lead();
  }

  /**
   * Seals with the present key from now on, and has written down which keys this node has. Must have resolved before the node
   * serves. Throws a SettingsError where the node has not the present one.
   */
  async follow(): Promise<void> {
    const { kv, keys } = this.#options;
    for (;;) {
      const before = await readAgreement(kv);
      const agreed = await agreedKey(kv);
      if (agreed !== undefined) keys.use(agreed);
      const said = await this.#withThisNode(before.agreement);
      if (isDeepStrictEqual(said, before.agreement)) return;
      await changeAgreement(kv, before, said);
    }
  }

  /** The agreement with what this node says, and where there is no present key yet with that one. */
  async #withThisNode({ present, nodes }: KeyAgreement): Promise<KeyAgreement> {
    const { kv, keys, nodeId } = this.#options;
    const seals = keys.agreed?.fingerprint;
    const own = { keys: keys.present, ...(seals !== undefined && { seals }) };
    const all = { ...nodes, [nodeId]: own };
    const first = present ?? firstPresent(await masterKeysInUse(kv), Object.values(all), own.keys);
    return { ...(first !== undefined && { present: first }), nodes: all };
  }

  async #lead(): Promise<void> {
    const { kv, log, members } = this.#options;
    const before = await readAgreement(kv);
    const next = nextPresent(before.agreement, members());
    if (next !== undefined) {
      const nodes = Object.fromEntries(
        Object.entries(before.agreement.nodes).filter(([node]) => members().includes(node)),
      );
      if (!(await changeAgreement(kv, before, { present: next, nodes }))) return;
      log.info({ present: next }, 'every node has the new master key: it seals from now on');
      await this.follow();
    }
    await this.#letGo();
  }

  async #letGo(): Promise<void> {
    const { kv, log, members } = this.#options;
    const stored = await readAgreement(kv);
    const { present } = stored.agreement;
    if (present === undefined) return;
    const used = await masterKeysInUse(kv);
    const older = used.filter(({ fingerprint }) => fingerprint !== present);
    const waitingFor = notSealing(stored.agreement, members());
    this.#tell(older, waitingFor);
    if (older.length === 0 || waitingFor.length > 0) return;
    const versions = await this.#close(older, stored);
    if (versions === undefined) return;
    const rewrapped = await this.#sealAnew();
    if (rewrapped === undefined) return;
    for (const [at, one] of older.entries()) await forgetUse(kv, one, versions[at]);
    log.info(
      { rewrapped, unused: older.map(({ keyId, fingerprint }) => `${keyId} ${fingerprint}`) },
      'all data keys that open are sealed with the present keys: the unused ones may leave the key files',
    );
  }

  /** The versions of their records from then on; undefined where the agreement was changed meanwhile. */
  async #close(
    older: readonly UsedKey[],
    { unchanged }: StoredAgreement,
  ): Promise<readonly number[] | undefined> {
    const { kv } = this.#options;
    const versions: number[] = [];
    for (const one of older) {
      const use = await readUse(kv, one);
      if (use !== undefined && isOpen(use) && !(await closeUse(kv, one, unchanged))) return;
      const closed = await readUse(kv, one);
      if (closed === undefined || isOpen(closed)) return;
      versions.push(closed.version);
    }
    return versions;
  }

  /** How many data keys were sealed anew; undefined where not all are. */
  async #sealAnew(): Promise<number | undefined> {
    const { kv, log, objects, keys, leads, env } = this.#options;
    if (keys.agreed === undefined) return undefined;
    if (!(await resealUsers(kv, keys.secretBox(env.random), keys.agreed.stillSeals)))
      return undefined;
    const shouldStop = (): boolean => this.#isStopping || !leads();
    const { rewrapped, failed, whole } = await objects.rewrapKeys(shouldStop);
    if (!whole) return undefined;
    if (failed > 0) log.warn({ failed }, 'some data keys open with no key: their objects are lost');
    return rewrapped;
  }

  /** Says once what older keys are kept for. */
  #tell(older: readonly UsedKey[], waitingFor: readonly string[]): void {
    const said = older.length === 0 ? '' : JSON.stringify([older, waitingFor]);
    if (said === this.#told) return;
    this.#told = said;
    if (older.length === 0 || waitingFor.length === 0) return;
    this.#options.log.info(
      { older: older.map(({ fingerprint }) => fingerprint), waitingFor },
      'older master keys are in use until these nodes seal with the present one: keep them in the files',
    );
  }
}

async function masterKeysInUse(kv: KvStore): Promise<readonly UsedKey[]> {
  return (await listUse(kv)).filter(({ kind }) => kind === 'master');
}

/** Of the keys of this node, one that is in use already, or its first; only where every node that has spoken has it. */
function firstPresent(
  inUse: readonly UsedKey[],
  nodes: readonly { readonly keys: readonly string[] }[],
  own: readonly string[],
): string | undefined {
  const used = own.find((key) => inUse.some(({ fingerprint }) => fingerprint === key));
  const wanted = used ?? own[0];
  if (wanted === undefined) return undefined;
  return nodes.every(({ keys }) => keys.includes(wanted)) ? wanted : undefined;
}
