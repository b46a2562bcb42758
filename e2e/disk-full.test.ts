import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { describe, expect, onTestFailed, test } from 'vitest';
import { runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes } from './harness/pattern-bytes.ts';
import type { SmallVolume } from './harness/small-volume.ts';
import { mountSmallVolume } from './harness/small-volume.ts';
import { waitUntil } from './harness/wait-until.ts';

const MIB = 1024 * 1024;
const VOLUME_MIB = 256;
/** Garbage is collected every second, so that a test sees what it gives back. */
const EVERY_SECOND = ['--collect-every', '1'];

/** One try before the tests are listed, so that a machine that cannot mount says so. */
const probe = await mountSmallVolume(16);
const reason = typeof probe === 'string' ? probe : undefined;
if (typeof probe !== 'string') await probe[Symbol.asyncDispose]();
if (reason !== undefined) console.warn(`The tests of a full volume cannot run here: ${reason}.`);

async function volume(): Promise<SmallVolume> {
  const mounted = await mountSmallVolume(VOLUME_MIB);
  if (typeof mounted === 'string') throw new Error(mounted);
  return mounted;
}

/** What is stored: the size of each object by its number. */
type Stored = Map<number, number>;

class Load {
  readonly stored: Stored = new Map();
  readonly #client: S3Client;
  #next: number;

  constructor(client: S3Client, next = 0, stored: Stored = new Map()) {
    this.#client = client;
    this.#next = next;
    for (const [at, sizeBytes] of stored) this.stored.set(at, sizeBytes);
  }

  get next(): number {
    return this.#next;
  }

  /** True where it was acknowledged, false where the volume is full; anything else is an error. */
  async put(sizeBytes: number): Promise<boolean> {
    const at = this.#next++;
    const Body = patternBytes(at, sizeBytes);
    try {
      await this.#client.send(new PutObjectCommand({ Bucket: 'full', Key: `k${at}`, Body }));
    } catch (error) {
      if (!(error instanceof S3ServiceException)) throw error;
      expect(error.$metadata.httpStatusCode, error.message).toBe(507);
      expect(error.name).toBe('InsufficientStorage');
      expect(error.message).not.toBe('');
      return false;
    }
    this.stored.set(at, sizeBytes);
    return true;
  }

  /** Puts until the volume is full, and then a few more. */
  async fill(sizeBytes: number): Promise<void> {
    let refused = 0;
    while (refused < 5) if (!(await this.put(sizeBytes))) refused++;
  }

  /** Deletes all but every `keep`-th. */
  async thin(keep: number): Promise<void> {
    for (const at of this.stored.keys()) {
      if (at % keep === 0) continue;
      await this.#client.send(new DeleteObjectCommand({ Bucket: 'full', Key: `k${at}` }));
      this.stored.delete(at);
    }
  }

  async check(): Promise<void> {
    for (const [at, sizeBytes] of this.stored) {
      const answer = await this.#client.send(
        new GetObjectCommand({ Bucket: 'full', Key: `k${at}` }),
      );
      const bytes = await answer.Body?.transformToByteArray();
      expect(Buffer.compare(bytes ?? new Uint8Array(), patternBytes(at, sizeBytes)), `k${at}`).toBe(
        0,
      );
    }
  }

  /** Resolves when puts are taken again. */
  async resumes(sizeBytes: number): Promise<void> {
    await waitUntil('puts are taken again', () => this.put(sizeBytes));
  }
}

async function start(mounted: SmallVolume, made = false): Promise<[HoldfastProcess, S3Client]> {
  const directory = join(mounted.path, 'data');
  const server = await HoldfastProcess.start({ directory, arguments: EVERY_SECOND });
  onTestFailed(() => console.warn(`The server said: ${server.output}${server.errors}`));
  const client = server.client();
  if (!made) await client.send(new CreateBucketCommand({ Bucket: 'full' }));
  return [server, client];
}

// Large values fill segments (append and rotation), values of 100 bytes fill the index (flush and merge).
describe.skipIf(reason !== undefined)(`a volume of ${VOLUME_MIB} MiB that is full`, () => {
  test.each([
    ['large objects', 3 * MIB, 3],
    ['objects of 100 KiB', 100 * 1024, 1],
  ])('of %s: puts get 507, deletes give space back, puts resume', async (_, sizeBytes, rounds) => {
    await using mounted = await volume();
    const [server, client] = await start(mounted);
    await using _server = server;
    const load = new Load(client);
    for (let round = 0; round < rounds; round++) {
      await load.fill(sizeBytes);
      const storedBytes = [...load.stored.values()].reduce((sum, bytes) => sum + bytes, 0);
      // Usable: more than half of the volume is filled with objects before it is full.
      expect(storedBytes).toBeGreaterThan((VOLUME_MIB / 2) * MIB);
      await load.thin(8);
      await load.check();
      await load.resumes(sizeBytes);
    }
    expect(await server.stop()).toBe(0);
  });

  test('by another program, to the last byte: nothing is lost, puts resume when it leaves', async () => {
    await using mounted = await volume();
    const [server, client] = await start(mounted);
    await using _server = server;
    const load = new Load(client);
    for (let turn = 0; turn < 20; turn++) await load.put(MIB);
    await mounted.fill(0);
    await load.fill(MIB);
    await load.check();
    await mounted.empty();
    await load.resumes(MIB);
    await load.check();
    expect(await server.stop()).toBe(0);
  });

  test('at the start, after a kill: reads and deletes work, then puts', async () => {
    await using mounted = await volume();
    const [server, client] = await start(mounted);
    const load = new Load(client);
    await load.fill(MIB);
    await server.kill();
    await mounted.fill(6);
    const [again, next] = await start(mounted, true);
    await using _again = again;
    const after = new Load(next, load.next, load.stored);
    await after.check();
    expect(await after.put(MIB)).toBe(false);
    await after.thin(6);
    await after.check();
    await mounted.empty();
    await after.resumes(MIB);
    await after.check();
    expect(await again.stop()).toBe(0);
    const verified = await runHoldfast(['verify', '--data', join(mounted.path, 'data')]);
    expect(verified.output).toContain('Everything is whole.');
  });
});
