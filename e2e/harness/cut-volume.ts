/**
 * An ext4 volume on a device whose power can be cut while a server writes to it.
 *
 *     ext4  ->  loop B  ->  page cache of loop A: the write cache of a disk  ->  loop A  ->  a file: its medium
 *
 * What ext4 keeps in memory has not reached B. What B was given lies in the cache of A until B is told to flush,
 * which `fsync`, `fdatasync` and O_DSYNC make ext4 do. So when the server is stopped, the file holds what a disk holds
 * that loses its cache, and A, read through that cache, what a disk holds that kept it. A disk may keep
 * any part of its cache, so a block of which the two differ may be either.
 *
 * Nothing of this asks for a sync: the file and A are read, and neither reading goes through ext4. The kernel may
 * write while a copy is made, so a copy counts only where the two devices counted no write and no flush
 * meanwhile; else it is made again.
 *
 * The volume is mounted in a namespace of the server's own: it is unmounted, and the loop devices are freed,
 * when that process ends, however it does.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { runCommand } from './command.ts';
import type { OpenImage } from './image-opener.ts';
import type { SeededDice } from './seeded-dice.ts';
import { waitUntil } from './wait-until.ts';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;
const MOST_COPIES = 50;
const ZEROS = Buffer.alloc(MIB);
/** In memory, where there is such a folder: each image is written and read many times. */
const FAST_FOLDER = '/dev/shm';
/** The folder of this run. What is named after it in the fast folder is removed by a later run where this one is killed. */
const RUN = basename(process.env['TESTS_OF_HOLDFAST'] ?? '');
/**
 * Why commit=300: a journal that is committed only when something is synced covers up for nobody.
 * Mounts $1 on $2 for this process and its children, gives the device back with the mount, and becomes the rest, which
 * ends with the process that asked for it.
 */
const MOUNT =
  'mount -o loop,noatime,commit=300 "$1" "$2" && losetup --detach "$1" && ' +
  'shift 2 && exec setpriv --pdeathsig KILL "$@"';

/** What the disk keeps of the writes that it was not told to flush. */
export type Kept = 'nothing' | 'everything' | 'some';

/** Loop devices and what they were attached to: freed with the test process, however that ends. */
const attached = new Map<string, string>();
process.on('exit', () => {
  for (const [device, image] of attached) {
    if (backingFile(device) === image) execFileSync('losetup', ['--detach', device]);
  }
});

export class CutVolume implements AsyncDisposable {
  readonly #folder: string;
  readonly #medium: string;
  readonly #sizeBytes: number;
  /** Loop device A. */
  readonly #disk: string;
  #cuts = 0;

  private constructor(folder: string, medium: string, sizeBytes: number, disk: string) {
    this.#folder = folder;
    this.#medium = medium;
    this.#sizeBytes = sizeBytes;
    this.#disk = disk;
  }

  /** Makes one, empty or with the image of an earlier cut as its medium. Says why where this machine cannot. */
  static async make(sizeMib: number, image?: string): Promise<CutVolume | string> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) {
      return 'power cuts need loop devices, mounts and namespaces: root on Linux';
    }
    const folder = await mkdtemp(folderPrefix());
    const medium = join(folder, 'medium');
    try {
      await mkdir(join(folder, 'mounted'));
      if (image === undefined) {
        await succeed('truncate', '-s', `${sizeMib}M`, medium);
        await succeed('mkfs.ext4', '-q', '-m', '0', '-E', 'lazy_itable_init=0', medium);
      } else {
        await rename(image, medium);
      }
      // The probe: what the server's mount will need.
      await succeed('unshare', '--mount', 'true');
      const disk = (await succeed('losetup', '--find', '--show', medium)).trim();
      attached.set(disk, medium);
      return new CutVolume(folder, medium, sizeMib * MIB, disk);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      return String(error);
    }
  }

  /** The data folder, as the server sees it. */
  get directory(): string {
    return join(this.#mountPoint, 'data');
  }

  /** The same path in every namespace. */
  get #mountPoint(): string {
    return join(this.#folder, 'mounted');
  }

  /** Starts the server that writes to this volume. */
  get wrapper(): readonly string[] {
    const mounting = ['sh', '-c', MOUNT, 'sh', this.#disk, this.#mountPoint];
    return ['unshare', '--mount', '--propagation', 'private', ...mounting];
  }

  /** Where an image that `cut` has made is opened. */
  placeOf(image: string): Pick<OpenImage, 'image' | 'mountPoint' | 'directory'> {
    return { image, mountPoint: this.#mountPoint, directory: this.directory };
  }

  /** The disk as a power cut at this moment leaves it, in a new image. The server must be stopped. */
  async cut(kept: Kept, dice: SeededDice): Promise<string> {
    const image = join(this.#folder, `cut-${this.#cuts++}`);
    for (let attempt = 0; attempt < MOST_COPIES; attempt++) {
      await waitUntil('the devices are idle', () => this.#writes() !== undefined);
      const before = this.#writes();
      await this.#copy(image, kept, dice);
      if (before !== undefined && before === this.#writes()) return image;
      await rm(image);
    }
    throw new Error(`the volume was never still, in ${MOST_COPIES} copies`);
  }

  /** How many writes have reached the medium. */
  mediumWrites(): string | undefined {
    return writesOf(basename(this.#disk));
  }

  /** What both devices have written so far; undefined while something is under way. */
  #writes(): string | undefined {
    const over = deviceOver(this.#disk);
    if (over === undefined) throw new Error('the volume is not mounted');
    const counts = [writesOf(over), this.mediumWrites()];
    return counts.includes(undefined) ? undefined : counts.join(', ');
  }

  async #copy(image: string, kept: Kept, dice: SeededDice): Promise<void> {
    const medium = openSync(this.#medium, 'r');
    const cache = openSync(this.#disk, 'r');
    const target = await open(image, 'wx');
    const [flushed, written] = [Buffer.alloc(MIB), Buffer.alloc(MIB)];
    try {
      await target.truncate(this.#sizeBytes);
      for (let at = 0; at < this.#sizeBytes; at += MIB) {
        readWhole(medium, flushed, at);
        if (kept !== 'nothing') {
          readWhole(cache, written, at);
          keepOf(flushed, written, kept === 'everything' ? undefined : dice);
        }
        if (!flushed.equals(ZEROS)) await target.write(flushed, 0, MIB, at);
      }
    } finally {
      closeSync(medium);
      closeSync(cache);
      await target.close();
    }
  }

  /** Servers on it must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    // Of the first, nobody may be left; a device that was never mounted is given back here.
    await waitUntil('the volume is unmounted', () => deviceOver(this.#disk) === undefined);
    if (backingFile(this.#disk) === this.#medium) await succeed('losetup', '--detach', this.#disk);
    attached.delete(this.#disk);
    await waitUntil('its loop devices are free', () => !isUsed(this.#folder));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function folderPrefix(): string {
  const isFast = RUN !== '' && existsSync(FAST_FOLDER);
  return isFast ? join(FAST_FOLDER, `${RUN}-power-`) : join(tmpdir(), 'holdfast-power-');
}

/** Puts into `flushed` what the cache has kept of the blocks that it had not flushed: all, or what the dice say. */
function keepOf(flushed: Buffer, written: Buffer, dice: SeededDice | undefined): void {
  if (flushed.equals(written)) return;
  for (let at = 0; at < MIB; at += BLOCK_BYTES) {
    if (flushed.compare(written, at, at + BLOCK_BYTES, at, at + BLOCK_BYTES) === 0) continue;
    if (dice === undefined || dice.below(2) === 0) {
      written.copy(flushed, at, at, at + BLOCK_BYTES);
    }
  }
}

function readWhole(file: number, target: Buffer, position: number): void {
  const count = readSync(file, target, 0, target.length, position);
  if (count !== target.length) throw new Error(`${count} bytes read at ${position}`);
}

/** What a device has written since the machine started; undefined while something is under way. */
function writesOf(device: string): string | undefined {
  const fields = readFileSync(`/sys/block/${device}/stat`, 'utf8').trim().split(/\s+/);
  // Source: Documentation/block/stat.rst: writes, sectors written, in flight, discards, flushes.
  const [writes, sectors, inFlight, discards, flushes] = [4, 6, 8, 11, 15].map((at) => fields[at]);
  return inFlight === '0' ? [writes, sectors, discards, flushes].join(' ') : undefined;
}

/** The loop device that is attached to this one. */
function deviceOver(disk: string): string | undefined {
  return loopDevices().find((device) => backingFile(device) === disk);
}

function isUsed(folder: string): boolean {
  return loopDevices().some((device) => backingFile(device)?.startsWith(`${folder}/`) === true);
}

function loopDevices(): string[] {
  return readdirSync('/sys/block').filter((device) => device.startsWith('loop'));
}

/** A file or a device; undefined where the loop device is free. */
function backingFile(device: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${basename(device)}/loop/backing_file`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

async function succeed(program: string, ...words: string[]): Promise<string> {
  const { exitCode, output, errors } = await runCommand(program, words);
  if (exitCode !== 0) throw new Error(`${program} ${words.join(' ')}: ${errors.trim()}`);
  return output;
}
