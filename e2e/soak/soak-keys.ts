/** Keys that one lane writes and reads, and what each of them holds. */
import type { S3Client } from '@aws-sdk/client-s3';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { isRefusedConnection } from '../harness/cluster-clients.ts';
import { putInParts } from '../harness/crash-load.ts';
import { patternBytes, sha256 } from '../harness/pattern-bytes.ts';
import type { SeededDice } from '../harness/seeded-dice.ts';
import { digestOf } from '../harness/verify-objects.ts';
import type { Version } from '../harness/write-ledger.ts';
import { ABSENT } from '../harness/write-ledger.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const MOST_VERSIONS = 3;

export const BUCKETS = { plain: 'soak', versioned: 'soak-versions' } as const;

/** What became of the writes. */
export interface WriteCounts {
  acknowledged: number;
  /** Acknowledged writes that were read afterwards, and were as they had been written. */
  verified: number;
  readonly violations: string[];
}

/** A key of one lane, which has one request out at a time: so it is known what the key holds. */
export interface SoakKey {
  /** Some request, by the dice; gives its kind. Rejects where it had no answer, or was refused. */
  step: (client: S3Client, dice: SeededDice) => Promise<string>;
  /** Reads all that it holds. */
  verify: (client: S3Client) => Promise<void>;
  /** Whether the answer of its last write never came. It must not be written again then. */
  readonly isUncertain: boolean;
}

/** An object that is put, replaced, deleted and read. */
export class PlainKey implements SoakKey {
  readonly #key: string;
  readonly #counts: WriteCounts;
  /** What the last acknowledged write has left. */
  #held: Version = ABSENT;
  /** What a write without an answer may have left. */
  #maybe: Version | undefined;
  #isUnread = false;

  constructor(key: string, counts: WriteCounts) {
    this.#key = key;
    this.#counts = counts;
  }

  get isUncertain(): boolean {
    return this.#maybe !== undefined;
  }

  /** What the listing must say; undefined where it may be either. */
  get isThere(): boolean | undefined {
    return this.isUncertain ? undefined : this.#held !== ABSENT;
  }

  get name(): string {
    return this.#key;
  }

  async step(client: S3Client, dice: SeededDice): Promise<string> {
    const kind = dice.below(100);
    // Why before a write: what is replaced unread, nobody would ever compare.
    if (kind < 45 || this.#isUnread) {
      await this.verify(client);
      return 'get';
    }
    if (kind < 60) return this.#delete(client);
    const inParts = kind >= 97;
    const sizeBytes = inParts ? 5 * MIB + 1 + dice.below(MIB) : bodySize(dice);
    return this.#put(client, patternBytes(dice.below(2 ** 31), sizeBytes), inParts);
  }

  async verify(client: S3Client): Promise<void> {
    const seen = await digestOf(client, BUCKETS.plain, this.#key);
    if (seen !== this.#held && seen !== this.#maybe) {
      this.#counts.violations.push(`${this.#key} is ${seen}, and was ${this.#held}`);
    }
    // A write without an answer may have replaced it: then there is nothing left to compare.
    if (this.#isUnread) this.#counts.verified += 1;
    this.#isUnread = false;
  }

  async #delete(client: S3Client): Promise<string> {
    const command = new DeleteObjectCommand({ Bucket: BUCKETS.plain, Key: this.#key });
    await this.#write(ABSENT, client.send(command));
    return 'delete';
  }

  async #put(client: S3Client, body: Buffer, inParts: boolean): Promise<string> {
    const object = { Bucket: BUCKETS.plain, Key: this.#key };
    const kind = this.#held === ABSENT ? 'put' : 'overwrite';
    const put = inParts
      ? putInParts(client, object.Bucket, object.Key, body)
      : client.send(new PutObjectCommand({ ...object, Body: body }));
    await this.#write(sha256(body), put);
    return inParts ? 'multipart' : kind;
  }

  async #write(version: Version, answer: Promise<unknown>): Promise<void> {
    this.#maybe = version;
    try {
      await answer;
    } catch (error) {
      if (isRefusedConnection(error)) this.#maybe = undefined;
      throw error;
    }
    this.#maybe = undefined;
    this.#held = version;
    this.#isUnread = true;
    this.#counts.acknowledged += 1;
  }
}

interface KeptVersion {
  readonly id: string;
  readonly digest: Version;
  isUnread: boolean;
}

/** An object of which every version is kept, until it is deleted by its id. */
export class VersionedKey implements SoakKey {
  readonly #key: string;
  readonly #counts: WriteCounts;
  /** Oldest first. */
  readonly #versions: KeptVersion[] = [];
  isUncertain = false;

  constructor(key: string, counts: WriteCounts) {
    this.#key = key;
    this.#counts = counts;
  }

  async step(client: S3Client, dice: SeededDice): Promise<string> {
    const oldest = this.#versions[0];
    if (oldest !== undefined && (dice.below(100) < 45 || oldest.isUnread)) {
      await this.#read(client, oldest.isUnread ? oldest : dice.pick(this.#versions));
      return 'get a version';
    }
    if (oldest !== undefined && this.#versions.length >= MOST_VERSIONS) {
      return this.#deleteOldest(client, oldest);
    }
    const body = patternBytes(dice.below(2 ** 31), bodySize(dice));
    const command = new PutObjectCommand({
      Bucket: BUCKETS.versioned,
      Key: this.#key,
      Body: body,
    });
    const { VersionId } = await this.#write(client.send(command));
    const id = VersionId ?? '';
    if (id === '') this.#counts.violations.push(`${this.#key} was put without a version id`);
    this.#versions.push({ id, digest: sha256(body), isUnread: true });
    this.#counts.acknowledged += 1;
    return 'put a version';
  }

  async verify(client: S3Client): Promise<void> {
    for (const version of this.#versions) await this.#read(client, version);
  }

  async #read(client: S3Client, version: KeptVersion): Promise<void> {
    const { id, digest } = version;
    const seen = await digestOf(client, BUCKETS.versioned, this.#key, id);
    if (seen !== digest) {
      this.#counts.violations.push(`version ${id} of ${this.#key} is ${seen}, and was ${digest}`);
    }
    if (version.isUnread) this.#counts.verified += 1;
    version.isUnread = false;
  }

  async #deleteOldest(client: S3Client, { id }: KeptVersion): Promise<string> {
    const version = { Bucket: BUCKETS.versioned, Key: this.#key, VersionId: id };
    // It may be gone from now on, whatever the answer.
    this.#versions.shift();
    await this.#write(client.send(new DeleteObjectCommand(version)));
    const seen = await digestOf(client, version.Bucket, version.Key, id);
    if (seen !== ABSENT)
      this.#counts.violations.push(`version ${id} of ${this.#key} is still there`);
    return 'delete a version';
  }

  async #write<Answer>(answer: Promise<Answer>): Promise<Answer> {
    this.isUncertain = true;
    try {
      const value = await answer;
      this.isUncertain = false;
      return value;
    } catch (error) {
      if (isRefusedConnection(error)) this.isUncertain = false;
      throw error;
    }
  }
}

/** In one transaction mostly, and in chunks. */
function bodySize(dice: SeededDice): number {
  return dice.below(10) === 0 ? 128 * KIB + dice.below(512 * KIB) : dice.below(48 * KIB);
}
