/**
 * Mixed load of several lanes, each with keys of its own: puts, reads, lists, uploads in parts, deletions, versions.
 *
 * No client repeats anything. A key whose write had no answer is put aside, to be read at the end, and a fresh one takes
 * its place; any other key holds what was last acknowledged, and nothing else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { S3ServiceException } from '@aws-sdk/client-s3';
import { SeededDice } from '../harness/seeded-dice.ts';
import { listedKeys } from '../harness/verify-objects.ts';
import type { SoakKey, WriteCounts } from './soak-keys.ts';
import { BUCKETS, PlainKey, VersionedKey } from './soak-keys.ts';

const PLAIN_KEYS_OF_A_LANE = 12;
const VERSIONED_KEYS_OF_A_LANE = 4;
/** Between two requests of a lane, at most. */
const MOST_PAUSE_MS = 800;
const PAUSE_AFTER_FAILURE_MS = 250;
/** Of a hundred requests. */
const LISTS = 5;
const SERVICE_UNAVAILABLE = 503;

export interface SoakLoadOptions {
  readonly seed: number;
  readonly lanes: number;
  /** A client of a node that runs; another one each time. */
  readonly client: () => S3Client;
}

export interface SoakCounts extends WriteCounts {
  /** Requests of each kind that were answered as they should be. */
  readonly answered: Record<string, number>;
  /** Requests without an answer, or refused with 503. */
  failed: number;
}

export class SoakLoad {
  readonly counts: SoakCounts = {
    acknowledged: 0,
    verified: 0,
    violations: [],
    answered: {},
    failed: 0,
  };
  readonly #options: SoakLoadOptions;
  readonly #lanes: readonly Lane[];
  readonly #ended: Promise<unknown>;
  #isEnding = false;

  constructor(options: SoakLoadOptions) {
    this.#options = options;
    const dice = new SeededDice(options.seed);
    this.#lanes = Array.from(
      { length: options.lanes },
      (_, at) => new Lane(`lane-${at}/`, new SeededDice(dice.below(2 ** 31)), this.counts),
    );
    this.#ended = Promise.all(this.#lanes.map((lane) => this.#run(lane)));
  }

  /** Resolves when no request is out any more. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#ended;
  }

  /** Reads every key that there ever was, after `end`. Rejects where a read fails. */
  async verifyAll(): Promise<void> {
    for (const lane of this.#lanes) await lane.verifyAll(this.#options.client());
  }

  async #run(lane: Lane): Promise<void> {
    while (!this.#isEnding) {
      const hasAnswer = await lane.step(this.#options.client());
      await delay(hasAnswer ? lane.pauseMs() : PAUSE_AFTER_FAILURE_MS);
    }
  }
}

class Lane {
  readonly #name: string;
  readonly #dice: SeededDice;
  readonly #counts: SoakCounts;
  readonly #plain: PlainKey[];
  readonly #versioned: VersionedKey[];
  readonly #aside: SoakKey[] = [];
  /** Plain keys that are aside: the listing may have them or not. */
  readonly #unsure = new Set<string>();
  #nextKey = 0;

  constructor(name: string, dice: SeededDice, counts: SoakCounts) {
    this.#name = name;
    this.#dice = dice;
    this.#counts = counts;
    this.#plain = Array.from({ length: PLAIN_KEYS_OF_A_LANE }, () => this.#freshPlain());
    this.#versioned = Array.from({ length: VERSIONED_KEYS_OF_A_LANE }, () =>
      this.#freshVersioned(),
    );
  }

  pauseMs(): number {
    return this.#dice.next() * MOST_PAUSE_MS;
  }

  /** One request, of some kind. False where it had no answer, or was refused. */
  async step(client: S3Client): Promise<boolean> {
    try {
      const kind = await this.#request(client);
      this.#counts.answered[kind] = (this.#counts.answered[kind] ?? 0) + 1;
      return true;
    } catch (error) {
      this.#counts.failed += 1;
      const status =
        error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
      if (status !== undefined && status !== SERVICE_UNAVAILABLE) {
        this.#counts.violations.push(`an answer that no request should get: ${String(error)}`);
      }
      return false;
    }
  }

  async verifyAll(client: S3Client): Promise<void> {
    for (const key of [...this.#plain, ...this.#versioned, ...this.#aside])
      await key.verify(client);
    await this.#list(client);
  }

  async #request(client: S3Client): Promise<string> {
    if (this.#dice.below(100) < LISTS) return this.#list(client);
    const at = this.#dice.below(this.#plain.length + this.#versioned.length);
    const plain = this.#plain[at];
    const key = plain ?? (this.#versioned[at - this.#plain.length] as VersionedKey);
    try {
      return await key.step(client, this.#dice);
    } finally {
      if (key.isUncertain) this.#putAside(key);
    }
  }

  #putAside(key: SoakKey): void {
    this.#aside.push(key);
    if (key instanceof PlainKey) {
      this.#unsure.add(key.name);
      this.#plain[this.#plain.indexOf(key)] = this.#freshPlain();
    } else {
      this.#versioned[this.#versioned.indexOf(key as VersionedKey)] = this.#freshVersioned();
    }
  }

  async #list(client: S3Client): Promise<string> {
    const expected = this.#plain.filter(({ isThere }) => isThere === true).map(({ name }) => name);
    const listed = await listedKeys(client, BUCKETS.plain, this.#name);
    const sure = listed.filter((name) => !this.#unsure.has(name));
    if (sure.join('\n') !== expected.toSorted().join('\n')) {
      this.#counts.violations.push(`listed: ${sure.join(' ')}; there are: ${expected.join(' ')}`);
    }
    return 'list';
  }

  #freshPlain(): PlainKey {
    return new PlainKey(`${this.#name}${this.#nextKey++}`, this.#counts);
  }

  #freshVersioned(): VersionedKey {
    return new VersionedKey(`${this.#name}${this.#nextKey++}`, this.#counts);
  }
}
