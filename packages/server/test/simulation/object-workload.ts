/**
 * Clients that put, copy, complete, get and delete objects on any node, by the real object layer. What they see of a key is a
 * register's history; each version that was acknowledged must stay as it is until it is deleted.
 */
import type { SeededRandom } from '@holdfast/env/memory';
import { KvError } from '@holdfast/kv';
import { type ObjectStore, ObjectStoreError } from '@holdfast/objects';
import type { RegisterCall, RegisterResult } from '@holdfast/sim/history';
import { type ContentId, contentOf, idOf, piecesOf } from './object-content.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { isExpected, type WorkloadOptions } from './workload.ts';

const PLAIN = 'plain';
const VERSIONED = 'versioned';
const KEYS = 4;
/** Several chunks of 4 KiB. */
const LARGE_BYTES = 20_000;
const SMALL_BYTES = 700;
const PARTS_LIMIT = 3;
const PATIENCE_MS = 20_000;
/** Versions that are looked at again in the end: the newest. */
const VERIFIED_LIMIT = 60;

interface Seen {
  readonly id: ContentId;
  readonly etag: string;
}

/** A version that was acknowledged, and what it must be. */
interface LedgerEntry {
  readonly key: string;
  readonly versionId: string;
  readonly id: ContentId;
}

/** Nobody said whether it happened. */
class Unanswered extends Error {}

export class ObjectWorkload {
  readonly #options: WorkloadOptions;
  readonly #ledger: LedgerEntry[] = [];
  #hasBuckets = false;
  #isOver = false;
  #active = 0;
  answers = 0;
  verifiedVersions = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    for (let at = 0; at < options.clients; at++) void this.#live(`o${at}`, options.random.fork());
  }

  get isIdle(): boolean {
    return this.#active === 0;
  }

  stop(): void {
    this.#isOver = true;
  }

  /** All that must be there is read on that node, once. */
  async verify(node: SimulatedNode): Promise<void> {
    if (!this.#hasBuckets) return;
    for (const bucket of [PLAIN, VERSIONED]) {
      for (let key = 0; key < KEYS; key++) {
        await this.#get(`reader of ${node.name}`, bucket, `k${key}`, node);
      }
    }
    for (const entry of this.#ledger.slice(-VERIFIED_LIMIT)) await this.#verifyVersion(entry, node);
  }

  async #live(client: string, random: SeededRandom): Promise<void> {
    this.#active++;
    const { time, thinkMs } = this.#options;
    for (let sequence = 1; !this.#isOver; sequence++) {
      await time.sleep((thinkMs * (1 + random.below(2000))) / 1000);
      const node = this.#anyNode(random);
      if (this.#isOver || node === undefined) continue;
      if (!this.#hasBuckets) await this.#makeBuckets(client, node);
      else await this.#step(client, sequence, node, random);
    }
    this.#active--;
  }

  async #makeBuckets(client: string, node: SimulatedNode): Promise<void> {
    for (const bucket of [PLAIN, VERSIONED]) {
      const made = await this.#ask(client, node, (store) =>
        store.createBucket(bucket, { ownerId: 'me', region: 'us-east-1' }).catch(ifOwned),
      );
      if (made instanceof Unanswered) return;
    }
    const set = await this.#ask(client, node, (store) =>
      store.putBucketVersioning(VERSIONED, 'Enabled'),
    );
    if (!(set instanceof Unanswered)) this.#hasBuckets = true;
  }

  async #step(
    client: string,
    sequence: number,
    node: SimulatedNode,
    random: SeededRandom,
  ): Promise<void> {
    const bucket = random.below(3) === 0 ? VERSIONED : PLAIN;
    const key = `k${random.below(KEYS)}`;
    const most = random.below(3) === 0 ? LARGE_BYTES : SMALL_BYTES;
    const id = `${client}.${sequence}.${random.below(most)}`;
    const kind = random.below(12);
    if (kind < 3) return this.#put(client, bucket, key, id, node);
    if (kind === 3) return this.#delete(client, bucket, key, node);
    if (kind === 4) return this.#multipart(client, key, id, node, random);
    if (kind === 5) return this.#copy(client, key, node, random);
    if (kind === 6) return this.#versions(client, id, node, random);
    if (kind === 7 && random.below(20) === 0) {
      return void (await this.#ask(client, node, (store) => store.collectGarbage()));
    }
    const seen = await this.#get(client, bucket, key, node);
    if (kind < 10 || seen === undefined || bucket === VERSIONED) return;
    await this.#put(client, bucket, key, id, node, seen);
  }

  /** What was found; null: nothing; undefined: no answer. */
  async #get(
    client: string,
    bucket: string,
    key: string,
    node: SimulatedNode,
  ): Promise<Seen | null | undefined> {
    const pending = this.#options.recorder.begin(client, `${bucket}/${key}`, { kind: 'get' });
    const found = await this.#ask(client, node, (store) => read(store, { bucket, key }));
    if (found instanceof Unanswered) {
      pending.unknown();
      return undefined;
    }
    if (found === null) {
      pending.answered({ kind: 'absent' });
      return null;
    }
    const id = this.#identify(found.bytes, `${bucket}/${key}`);
    pending.answered({ kind: 'found', value: id });
    return { id, etag: found.etag };
  }

  async #put(
    client: string,
    bucket: string,
    key: string,
    id: ContentId,
    node: SimulatedNode,
    replaces?: Seen | null,
  ): Promise<void> {
    const body = contentOf(id);
    const conditions =
      replaces === undefined
        ? {}
        : {
            conditions:
              replaces === null ? { ifNoneMatch: '*' as const } : { ifMatch: [replaces.etag] },
          };
    const call: RegisterCall = {
      kind: 'put',
      value: id,
      ...(replaces === null ? { ifAbsent: true as const } : {}),
      ...(replaces ? { ifMatch: replaces.id } : {}),
    };
    await this.#record(client, `${bucket}/${key}`, call, node, async (store) => {
      const put = await store.putObject({
        bucket,
        key,
        body: { sizeBytes: body.length, pieces: piecesOf(body) },
        metadata: { user: {} },
        ...conditions,
      });
      if (put.versionId !== undefined) this.#ledger.push({ key, versionId: put.versionId, id });
      return { kind: 'written' };
    });
  }

  async #delete(client: string, bucket: string, key: string, node: SimulatedNode): Promise<void> {
    await this.#record(client, `${bucket}/${key}`, { kind: 'delete' }, node, async (store) => {
      await store.deleteObject({ bucket, key });
      return { kind: 'deleted' };
    });
  }

  async #multipart(
    client: string,
    key: string,
    id: ContentId,
    node: SimulatedNode,
    random: SeededRandom,
  ): Promise<void> {
    const address = { bucket: PLAIN, key };
    const upload = await this.#ask(client, node, (store) =>
      store.createMultipartUpload({ ...address, metadata: { user: {} }, ownerId: 'me' }),
    );
    if (upload instanceof Unanswered) return;
    const { uploadId } = upload;
    const whole = contentOf(id);
    const size = Math.ceil(whole.length / (1 + random.below(PARTS_LIMIT)));
    const parts: { partNumber: number; etag: string }[] = [];
    for (let at = 0; at < whole.length; at += size) {
      const bytes = whole.subarray(at, at + size);
      const partNumber = parts.length + 1;
      // Each part may go to another node.
      const where = this.#anyNode(random) ?? node;
      const part = await this.#ask(client, where, (store) =>
        store.uploadPart({
          ...address,
          uploadId,
          partNumber,
          body: { sizeBytes: bytes.length, pieces: piecesOf(bytes) },
        }),
      );
      if (part instanceof Unanswered) return;
      parts.push({ partNumber, etag: part.etag });
    }
    const where = this.#anyNode(random) ?? node;
    await this.#record(
      client,
      `${PLAIN}/${key}`,
      { kind: 'put', value: id },
      where,
      async (store) => {
        await store.completeMultipartUpload({ ...address, uploadId, parts });
        return { kind: 'written' };
      },
    );
  }

  /** Of what was seen of another key, where it is that still. */
  async #copy(
    client: string,
    key: string,
    node: SimulatedNode,
    random: SeededRandom,
  ): Promise<void> {
    const from = `k${random.below(KEYS)}`;
    if (from === key) return;
    const seen = await this.#get(client, PLAIN, from, node);
    if (!seen) return;
    const source = this.#options.recorder.begin(client, `${PLAIN}/${from}`, { kind: 'get' });
    const call: RegisterCall = { kind: 'put', value: seen.id };
    const pending = this.#options.recorder.begin(client, `${PLAIN}/${key}`, call);
    const copied = await this.#ask(client, node, (store) =>
      store
        .copyObject({
          bucket: PLAIN,
          key,
          source: { bucket: PLAIN, key: from },
          sourceConditions: { ifMatch: [seen.etag] },
        })
        .catch(ifRefused),
    );
    if (copied instanceof Unanswered) {
      source.withdrawn();
      pending.unknown();
    } else if (copied instanceof ObjectStoreError) {
      source.withdrawn();
      pending.withdrawn();
    } else {
      source.answered({ kind: 'found', value: seen.id });
      pending.answered({ kind: 'written' });
    }
  }

  /** Versions of keys that have no register: put, looked at, and deleted for good. */
  async #versions(
    client: string,
    id: ContentId,
    node: SimulatedNode,
    random: SeededRandom,
  ): Promise<void> {
    const kind = random.below(4);
    const at = random.below(Math.max(1, this.#ledger.length));
    const entry = this.#ledger[at];
    if (kind === 0 || entry === undefined) {
      const body = contentOf(id);
      const key = `d${random.below(2)}`;
      const request = { bucket: VERSIONED, key, metadata: { user: {} } };
      const pieces = { sizeBytes: body.length, pieces: piecesOf(body) };
      await this.#ask(client, node, async (store) => {
        const { versionId } = await store.putObject({ ...request, body: pieces });
        if (versionId !== undefined) this.#ledger.push({ key, versionId, id });
      });
    } else if (kind === 1 && entry.key.startsWith('d')) {
      // Taken out first: from here on it may be there or not.
      this.#ledger.splice(at, 1);
      const { key, versionId } = entry;
      const address = { bucket: VERSIONED, key, versionId };
      const deleted = await this.#ask(client, node, (store) => store.deleteObject(address));
      if (deleted instanceof Unanswered) return;
      const found = await this.#ask(client, node, (store) => read(store, address));
      if (found === null || found instanceof Unanswered) return;
      this.#options.violate(`${key}, version ${versionId}, is there after it was deleted`);
    } else await this.#verifyVersion(entry, node, client);
  }

  async #verifyVersion(
    entry: LedgerEntry,
    node: SimulatedNode,
    client: string = `reader of ${node.name}`,
  ): Promise<void> {
    const { key, versionId, id } = entry;
    const where = `${VERSIONED}/${key}, version ${versionId}`;
    const found = await this.#ask(client, node, (store) =>
      read(store, { bucket: VERSIONED, key, versionId }),
    );
    if (found instanceof Unanswered) return;
    if (found === null) {
      // Another client may have begun to delete it meanwhile.
      if (!this.#ledger.includes(entry)) return;
      return this.#options.violate(`${where}, that was acknowledged, is gone`);
    }
    const seen = this.#identify(found.bytes, where);
    if (seen !== id) this.#options.violate(`${where} is ${seen}, not ${id}`);
    this.verifiedVersions++;
  }

  #identify(bytes: Uint8Array, where: string): ContentId {
    const id = idOf(bytes);
    if (id === undefined) this.#options.violate(`wrong bytes in ${where}`);
    return id ?? 'wrong bytes';
  }

  /** A change of one key, and what came of it. */
  async #record(
    client: string,
    key: string,
    call: RegisterCall,
    node: SimulatedNode,
    act: (store: ObjectStore) => Promise<RegisterResult>,
  ): Promise<void> {
    const pending = this.#options.recorder.begin(client, key, call);
    const result = await this.#ask(client, node, (store) => act(store).catch(ifRefused));
    if (result instanceof Unanswered) return pending.unknown();
    if (!(result instanceof ObjectStoreError)) return pending.answered(result);
    if (result.code === 'PreconditionFailed') return pending.answered({ kind: 'refused' });
    if (result.code === 'NoSuchKey') return pending.answered({ kind: 'absent' });
    // What lost too many races, and an upload that is gone, have done nothing.
    if (WITHOUT_EFFECT.has(result.code)) return pending.withdrawn();
    pending.unknown();
    this.#options.violate(`${client} was told what nobody should be told: ${result.stack}`);
  }

  #anyNode(random: SeededRandom): SimulatedNode | undefined {
    const nodes = this.#options.nodes().filter(({ objects }) => objects !== undefined);
    return nodes[random.below(Math.max(1, nodes.length))];
  }

  /** Its answer, or that there was none: the node was lost, or it said that it cannot tell. */
  async #ask<Value>(
    client: string,
    node: SimulatedNode,
    act: (store: ObjectStore) => Promise<Value>,
  ): Promise<Value | Unanswered> {
    const { time, trace, violate } = this.#options;
    const store = node.objects;
    if (store === undefined) return new Unanswered('is down');
    const { promise: late, resolve } = Promise.withResolvers<Unanswered>();
    const limit = time.setTimer(PATIENCE_MS, () => resolve(new Unanswered('no answer')));
    const forget = node.whenEnded(() => resolve(new Unanswered(`lost ${node.name}`)));
    const answer = act(store).catch((error: unknown) => {
      const isRefused = error instanceof ObjectStoreError && WITHOUT_EFFECT.has(error.code);
      if (!isRefused && !isExpected(error, node)) {
        violate(`${client} was told what nobody should be told: ${textOf(error)}`);
      }
      return new Unanswered(String(error));
    });
    const first = await Promise.race([answer, late]);
    limit.cancel();
    forget();
    if (!(first instanceof Unanswered)) this.answers++;
    trace.event(`${client} ${first instanceof Unanswered ? first.message : 'has an answer'}`);
    return first;
  }
}

/** Of these it is sure that nothing was stored or changed. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'ConditionalRequestConflict',
  'OperationAborted',
  'NoSuchUpload',
]);

async function read(
  store: ObjectStore,
  address: { readonly bucket: string; readonly key: string; readonly versionId?: string },
): Promise<{ readonly bytes: Uint8Array; readonly etag: string } | null> {
  try {
    const { body, length, info } = await store.getObject(address);
    const bytes = new Uint8Array(length);
    let at = 0;
    for await (const piece of body) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return { bytes: bytes.subarray(0, at), etag: info.etag };
  } catch (error) {
    const isAbsent =
      error instanceof ObjectStoreError &&
      (error.code === 'NoSuchKey' || error.code === 'NoSuchVersion');
    if (isAbsent) return null;
    throw error;
  }
}

function ifRefused(error: unknown): ObjectStoreError {
  if (error instanceof ObjectStoreError) return error;
  throw error;
}

function ifOwned(error: unknown): void {
  const isOwned = error instanceof ObjectStoreError && error.code === 'BucketAlreadyOwnedByYou';
  if (!isOwned) throw error;
}

function textOf(error: unknown): string {
  return error instanceof Error && !(error instanceof KvError)
    ? (error.stack ?? error.message)
    : String(error);
}
