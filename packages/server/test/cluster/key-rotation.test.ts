/** The master key of three nodes is changed while nodes leave, come back, and lead in turn. */
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test, vi } from 'vitest';
import type { Log } from '../../src/log.ts';
import { silentLog } from '../../src/log.ts';
import { SettingsError } from '../../src/settings-error.ts';
import { ThreeServers } from './three-servers.ts';

const PATH = '/master.key';
const OLD = '5'.repeat(64);
const YOUNG = '6'.repeat(64);
const BOTH = [YOUNG, OLD];
const Bucket = 'photos';
const CHANGED = 'every node has the new master key';
const LET_GO = 'the unused ones may leave the key files';
const WAIT = { timeout: 30_000, interval: 20 };

/** Three servers with one file of keys each, and what they have logged. */
class Rotation implements AsyncDisposable {
  readonly servers: ThreeServers = new ThreeServers();
  readonly said: string[] = [];

  async start(at: number, keys: readonly string[]): Promise<void> {
    const server = await this.startUnready(at, keys);
    await server.ready;
  }

  async startUnready(at: number, keys: readonly string[]) {
    await this.servers.writeMasterKeys(at, PATH, keys);
    const note = (fields: object, message: string): void => {
      this.said.push(`n${at + 1} ${message} ${JSON.stringify(fields)}`);
    };
    const log: Log = { ...silentLog, info: note, warn: note, error: note };
    const config = { masterKeyPath: PATH, buckets: [Bucket], log };
    return await this.servers.start(at, config, { keyIntervalMs: 20 });
  }

  async startAll(keys: readonly string[]): Promise<void> {
    await Promise.all([0, 1, 2].map((at) => this.start(at, keys)));
  }

  async restart(at: number, keys: readonly string[]): Promise<void> {
    await this.servers.stop(at);
    await this.start(at, keys);
  }

  async put(at: number, Key: string): Promise<void> {
    const sealed = { ServerSideEncryption: 'AES256' } as const;
    const command = new PutObjectCommand({ Bucket, Key, Body: Key, ...sealed });
    await this.servers.patient(at).send(command);
  }

  /** Every node reads every object. */
  async expectAll(...keys: string[]): Promise<void> {
    for (const at of [0, 1, 2]) {
      for (const Key of keys) {
        const { Body } = await this.servers.patient(at).send(new GetObjectCommand({ Bucket, Key }));
        expect(await Body?.transformToString(), `${Key} at n${at + 1}`).toBe(Key);
      }
    }
  }

  async waitFor(text: string): Promise<void> {
    const hasSaid = () => expect(this.said.join('\n')).toContain(text);
    await vi.waitFor(hasSaid, WAIT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.servers[Symbol.asyncDispose]();
  }
}

test('a rotation waits for a node that is away; then the older key may leave all files', async () => {
  await using rotation = new Rotation();
  await rotation.startAll([OLD]);
  await rotation.put(0, 'first');
  await rotation.servers.stop(2);
  await rotation.restart(0, BOTH);
  await rotation.restart(1, BOTH);
  await rotation.put(0, 'while one is away');
  // It comes back as it left: the others have not gone on without it.
  await rotation.start(2, [OLD]);
  await rotation.expectAll('first', 'while one is away');
  expect(rotation.said.join('\n')).not.toContain(CHANGED);
  await rotation.restart(2, BOTH);
  await rotation.waitFor(LET_GO);
  await rotation.put(2, 'after');
  for (const at of [0, 1, 2]) await rotation.restart(at, [YOUNG]);
  await rotation.expectAll('first', 'while one is away', 'after');
});

test('a node that has given its word and comes back with the older key alone does not serve', async () => {
  await using rotation = new Rotation();
  await rotation.startAll([OLD]);
  await rotation.put(0, 'first');
  await rotation.restart(2, BOTH);
  await rotation.servers.stop(2);
  for (const at of [0, 1]) await rotation.restart(at, BOTH);
  await rotation.waitFor(CHANGED);
  await rotation.put(0, 'second');
  const back = await rotation.startUnready(2, [OLD]);
  const error = await back.failed;
  expect(error).toBeInstanceOf(SettingsError);
  expect(error.message).toMatch(/The master key [0-9a-f]{16} is not in \/master\.key/);
  await expect(back.ready).rejects.toBe(error);
  const page = await rotation.servers.page(2, '/_/health/ready');
  expect(page.status).toBe(503);
  // Nor have the others let go of the key that it had when it was last seen to seal.
  expect(rotation.said.join('\n')).not.toContain(LET_GO);
  await rotation.restart(2, BOTH);
  await rotation.waitFor(LET_GO);
  await rotation.expectAll('first', 'second');
});

test('leaders that come and go between the steps of a rotation end it together', async () => {
  await using rotation = new Rotation();
  await rotation.startAll([OLD]);
  await rotation.put(1, 'first');
  for (const at of [0, 1, 2]) await rotation.restart(at, BOTH);
  await rotation.waitFor(CHANGED);
  for (let round = 0; round < 3; round++) {
    const leader = await rotation.servers.leader();
    await rotation.put((leader + 1) % 3, `round ${round}`);
    await rotation.restart(leader, BOTH);
  }
  await rotation.waitFor(LET_GO);
  for (const at of [0, 1, 2]) await rotation.restart(at, [YOUNG]);
  await rotation.expectAll('first', 'round 0', 'round 1', 'round 2');
});
