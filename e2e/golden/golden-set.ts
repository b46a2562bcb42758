/**
 * A golden set: a folder that some build has written, and what every later build must read from it.
 *
 *     golden.json     what it is, and the answers that it must give
 *     master.key      seals what is sealed in it
 *     kms.json        the named keys
 *     store/          the data folder of a lone server
 *     backup/         its backup
 *     cluster/n1/...  the data folders of three nodes
 *
 * All but the first three are compressed, each file for itself: most of a log is padding.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { FeedAnswer } from '../harness/change-feed.ts';
import { ROOT } from '../harness/command.ts';
import type { HoldfastOptions } from '../harness/holdfast-process.ts';
import type { GoldenRead } from './golden-reads.ts';

export const GOLDEN_FOLDER: string = join(ROOT, 'e2e', 'golden', 'folders');
/** What two processes agree upon while they run is no part of what is kept. */
const NOT_KEPT = /(?:^|\/)(?:LOCK|.*\.sock|cluster\/secret)$/;
const AS_IT_IS = ['golden.json', 'master.key', 'kms.json'];
const KEEP_CHANGES = '9999d';

export const USER = {
  accessKeyId: 'golden-alice',
  secretAccessKey: 'a-secret-of-the-golden-folders',
};

export interface Golden {
  /** Commit of the build that wrote it. */
  readonly commit: string;
  /** The format versions that it wrote; see `format-constants.ts`. */
  readonly formats: Readonly<Record<string, number>>;
  /** What a lone server answers. Below: what builds of that time had. */
  readonly store: readonly GoldenRead[];
  /** What each of three nodes answers. */
  readonly cluster?: readonly GoldenRead[];
  /** `EVENT BUCKET KEY` of the feed. */
  readonly feed?: readonly string[];
  /** `EVENT KEY` of which a target has not been told. */
  readonly events?: readonly string[];
  /** Buckets that `USER` owns. */
  readonly ownBuckets?: readonly string[];
  /** So many of the answers of `store`, from the first, are also those of a store that is made of the backup. */
  readonly inBackup?: number;
}

export function goldenNames(): string[] {
  return readdirSync(GOLDEN_FOLDER).toSorted();
}

export function readGolden(name: string): Golden {
  return JSON.parse(readFileSync(join(GOLDEN_FOLDER, name, 'golden.json'), 'utf8')) as Golden;
}

/** Copies what a build has written into a set that is to be kept, without locks and the like. */
export async function packSet(from: string, to: string): Promise<void> {
  for (const name of filesOf(from).filter((each) => !NOT_KEPT.test(each))) {
    const bytes = await readFile(join(from, name));
    const isText = AS_IT_IS.includes(name);
    await place(
      join(to, isText ? name : `${name}.gz`),
      isText ? bytes : await promisify(gzip)(bytes),
    );
  }
}

/** Makes a folder as the build has left it. */
export async function unpackSet(name: string, to: string): Promise<void> {
  for (const file of filesOf(join(GOLDEN_FOLDER, name))) {
    const bytes = await readFile(join(GOLDEN_FOLDER, name, file));
    const isText = AS_IT_IS.includes(file);
    await place(
      join(to, file.replace(/\.gz$/, '')),
      isText ? bytes : await promisify(gunzip)(bytes),
    );
  }
}

function filesOf(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => statSync(join(folder, name)).isFile());
}

async function place(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}

/** How a server is started on a copy of the set. */
export function startOptions(
  set: string,
  directory: string,
  golden: Pick<Golden, 'feed'>,
  ...more: readonly string[]
): HoldfastOptions {
  const keys = [
    '--master-key-file',
    join(set, 'master.key'),
    '--kms-key-file',
    join(set, 'kms.json'),
  ];
  const feed = golden.feed === undefined ? [] : ['--keep-changes', KEEP_CHANGES];
  return { directory, arguments: [...keys, ...feed, ...more] };
}

export function changesOf({ changes }: FeedAnswer): string[] {
  return changes.map(({ event, bucket, key }) => `${event} ${bucket} ${key}`);
}
