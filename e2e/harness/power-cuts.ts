/** A server under load whose power is cut again and again, and what is left on its disk each time. */
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { putSources, runLoad } from './crash-load.ts';
import type { CutVolume, Kept } from './cut-volume.ts';
import { HoldfastProcess } from './holdfast-process.ts';
import type { ImageOpener } from './image-opener.ts';
import type { SeededDice } from './seeded-dice.ts';
import { type Allowed, NO_CHECKSUMS, type Verified } from './verify-objects.ts';
import { waitUntil, within } from './wait-until.ts';
import type { WriteLedger } from './write-ledger.ts';

const LANES = 8;
const BUCKET = 'cuts';
const KIB = 1024;
/** Acknowledgements between two cuts, at most. */
const MOST_WRITES = 40;
/** And of a mutant at least: one of them alone may be a deletion of nothing. */
const LEAST_WRITES = 10;
const MOST_TRIES = 20;
/** A cut falls somewhere inside the requests after the last acknowledgement that is waited for. */
const JITTER_MS = 15;

export interface CutRound {
  readonly volume: CutVolume;
  readonly cuts: number;
  readonly kindOf: (cut: number) => Kept;
  readonly dice: SeededDice;
  /** Of all rounds on this disk. */
  readonly ledger: WriteLedger;
  /** As many images are opened at a time, beside the server that writes. */
  readonly openers: readonly ImageOpener[];
  /**
   * Of a mutant that does not sync: what makes it of the server. Its power is cut only while the kernel has written nothing to
   * the medium by itself, as it does every half a minute, and so covered up for it.
   */
  readonly mutant?: readonly string[];
}

export interface CutResults {
  cuts: number;
  /** Objects compared with what was acknowledged, over all cuts. */
  objects: number;
  /** Of each cut after which something was wrong: what. */
  readonly violations: string[];
}

/**
 * Runs one server, cuts its power so many times, and opens what each cut has left. Resolves with the last image, on
 * which the next round may go on: the ledger then allows what was found on it.
 */
export async function runCutRound(round: CutRound, results: CutResults): Promise<string> {
  const { volume, ledger, dice, cuts } = round;
  await using server = await HoldfastProcess.start({
    directory: volume.directory,
    arguments: ['--bucket', BUCKET],
    wrapper: [...volume.wrapper, ...(round.mutant ?? [])],
  });
  const client = server.client(NO_CHECKSUMS);
  if (ledger.keys().length === 0) await putSources(client, BUCKET, ledger);
  const writes = new Countdown();
  const load = runLoad({
    client,
    bucket: BUCKET,
    ledger,
    seed: dice.below(2 ** 31),
    lanes: LANES,
    bodySize,
    onAcknowledged: () => {
      writes.count();
    },
  });
  const writeAndStop = async (least: number): Promise<void> => {
    const enough = writes.from(least + dice.below(MOST_WRITES));
    await within('enough writes are acknowledged', Promise.race([enough, load]));
    await delay(dice.next() * JITTER_MS);
    await standStill(server);
  };
  const takeImage = async (cut: number): Promise<string> => {
    if (round.mutant === undefined) {
      await writeAndStop(1);
      return volume.cut(round.kindOf(cut), dice);
    }
    return cutUnflushed(round, server, () => writeAndStop(LEAST_WRITES));
  };
  const openings = new Openings(round, results);
  for (let cut = 1; cut < cuts; cut++) {
    await openings.open(await takeImage(cut - 1), ledger.allAllowed());
    server.signal('SIGCONT');
  }
  const image = await takeImage(cuts - 1);
  const { seen } = await openings.openLast(image, ledger.allAllowed());
  for (const [key, version] of seen) ledger.settle(key, version);
  await server.kill();
  await load;
  return image;
}

/** Opens images while the server writes on: a few at a time, on the other cores. */
class Openings {
  readonly #volume: CutVolume;
  readonly #results: CutResults;
  readonly #idle: ImageOpener[];
  readonly #running = new Set<Promise<void>>();

  constructor({ volume, openers }: CutRound, results: CutResults) {
    this.#volume = volume;
    this.#results = results;
    this.#idle = [...openers];
  }

  /** Resolves when there is room for another one. The image is removed when it was read. */
  async open(image: string, allowed: Allowed): Promise<void> {
    const running = (async () => {
      await this.#read(image, allowed);
      await rm(image);
    })();
    this.#running.add(running);
    // A failure is thrown by whoever waits.
    running.then(
      () => this.#running.delete(running),
      () => undefined,
    );
    if (this.#idle.length === 0) await Promise.race(this.#running);
  }

  /** Resolves when it, and all before it, were read. */
  async openLast(image: string, allowed: Allowed): Promise<Verified> {
    const verified = await this.#read(image, allowed);
    await Promise.all(this.#running);
    return verified;
  }

  async #read(image: string, allowed: Allowed): Promise<Verified> {
    const opener = this.#idle.pop();
    if (opener === undefined) throw new Error('nobody is left to open an image');
    const verified = await opener.open({ ...this.#volume.placeOf(image), bucket: BUCKET, allowed });
    this.#idle.push(opener);
    const { seen, violations } = verified;
    this.#results.cuts += 1;
    this.#results.objects += seen.size;
    if (violations.length > 0) this.#results.violations.push(violations.join('\n'));
    return verified;
  }
}

/** Cuts the power before anything that was written since the call has reached the medium. */
async function cutUnflushed(
  { volume, kindOf, dice }: CutRound,
  server: HoldfastProcess,
  writeAndStop: () => Promise<void>,
): Promise<string> {
  for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
    const before = volume.mediumWrites();
    await writeAndStop();
    const image = await volume.cut(kindOf(attempt), dice);
    if (volume.mediumWrites() === before) return image;
    await rm(image);
    server.signal('SIGCONT');
  }
  throw new Error(`the kernel wrote by itself, ${MOST_TRIES} times`);
}

/** Resolves when no thread of the server runs any more. */
async function standStill(server: HoldfastProcess): Promise<void> {
  server.signal('SIGSTOP');
  const threads = `/proc/${server.processId}/task`;
  const state = (thread: string): string | undefined =>
    /.*\) (\w)/.exec(readFileSync(`${threads}/${thread}/stat`, 'utf8'))?.[1];
  await waitUntil('the server stands still', () =>
    readdirSync(threads).every((thread) => state(thread) === 'T'),
  );
}

/** Objects in one transaction, and in chunks; in parts are those that are copied. */
function bodySize(kind: number, dice: SeededDice): number {
  if (kind < 85) return dice.below(32 * KIB);
  if (kind < 95) return 128 * KIB + dice.below(256 * KIB);
  return 1024 * KIB + dice.below(512 * KIB);
}

class Countdown {
  #left = 0;
  #reached = Promise.withResolvers<void>();

  from(count: number): Promise<void> {
    this.#left = count;
    this.#reached = Promise.withResolvers();
    return this.#reached.promise;
  }

  count(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#reached.resolve();
  }
}
