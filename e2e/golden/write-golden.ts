/**
 * Writes a golden set with the build as it is, when a format is new: `npm run golden -- --write NAME`. A set is never changed.
 *
 *     --launcher FILE    the `holdfast.mjs` of another build, for a format of the past
 *     --first            only what the very first builds had: objects, and a compaction
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { askFeed } from '../harness/change-feed.ts';
import { Cluster } from '../harness/cluster.ts';
import { LAUNCHER, runCommand } from '../harness/command.ts';
import type { HoldfastOptions } from '../harness/holdfast-process.ts';
import { HoldfastProcess } from '../harness/holdfast-process.ts';
import { formatConstants } from './format-constants.ts';
import { BUCKETS, GoldenContent } from './golden-content.ts';
import type { GoldenRead } from './golden-reads.ts';
import type { Golden } from './golden-set.ts';
import { changesOf, GOLDEN_FOLDER, packSet, startOptions, USER } from './golden-set.ts';

const KEY = '5a'.repeat(32);
const AFTER_BACKUP = [BUCKETS.versions, BUCKETS.sealed, BUCKETS.told];
const OWN_BUCKET = 'golden-own';
/** Nobody listens there, so events wait. */
const HOOK = ['--webhook', 'hook=http://127.0.0.1:9/hook'];
const { values } = parseArgs({
  options: {
    write: { type: 'string' },
    launcher: { type: 'string', default: LAUNCHER },
    first: { type: 'boolean', default: false },
  },
});
if (values.write === undefined || !/^[0-9]{4}-[a-z0-9-]+$/.test(values.write)) {
  process.stderr.write('usage: npm run golden -- --write 0004-what-is-new\n');
  process.exitCode = 2;
} else {
  await write(join(GOLDEN_FOLDER, values.write), values.launcher, values.first);
}

async function write(target: string, launcher: string, isFirst: boolean): Promise<void> {
  if (existsSync(target)) throw new Error(`${target} is there: a golden set is never changed`);
  const set = await mkdtemp(join(tmpdir(), 'holdfast-golden-'));
  try {
    await writeFile(join(set, 'master.key'), `${KEY}\n`);
    await writeFile(join(set, 'kms.json'), JSON.stringify({ keys: { one: KEY } }));
    const golden = isFirst ? await writeFirst(set, launcher) : await writeAll(set, launcher);
    await writeFile(join(set, 'golden.json'), `${JSON.stringify(golden, undefined, 1)}\n`);
    await packSet(set, target);
  } finally {
    await rm(set, { recursive: true, force: true });
  }
}

async function writeFirst(set: string, launcher: string): Promise<Golden> {
  const directory = join(set, 'store');
  const store = await fill({ directory, launcher }, async (content) => {
    await content.plain();
    await content.listing(BUCKETS.plain);
  });
  await compact(directory, launcher);
  return { ...about(launcher), store };
}

async function writeAll(set: string, launcher: string): Promise<Golden> {
  const directory = join(set, 'store');
  const build = about(launcher);
  const init = join(set, 'init.json');
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = USER;
  const users = [{ id: 'alice', displayName: 'Alice', accessKey, secretKey }];
  await writeFile(init, JSON.stringify({ users, buckets: [{ name: OWN_BUCKET, owner: 'alice' }] }));
  const options = startOptions(set, directory, { feed: ['kept'] }, '--init', init, ...HOOK);
  let feed: string[] = [];
  const before = await fill({ ...options, launcher }, async (content) => {
    await content.plain();
    await content.settings();
    await content.listing(BUCKETS.plain);
  });
  await compact(directory, launcher);
  await holdfast(launcher, 'backup', '--data', directory, '--to', join(set, 'backup'));
  const after = await fill({ ...options, launcher }, async (content, server) => {
    await content.versions();
    await content.sealed();
    await content.told();
    for (const bucket of AFTER_BACKUP) await content.listing(bucket);
    feed = changesOf(await askFeed(server.endpoint, 'limit=1000'));
  });
  await rm(init);
  const cluster = await writeCluster(set, launcher);
  const events = feed
    .filter((change) => change.includes(` ${BUCKETS.told} `))
    .map((change) => change.replace(` ${BUCKETS.told} `, ' '));
  const ownBuckets = [OWN_BUCKET];
  return {
    ...build,
    inBackup: before.length,
    store: [...before, ...after],
    cluster,
    feed,
    events,
    ownBuckets,
  };
}

async function writeCluster(set: string, launcher: string): Promise<GoldenRead[]> {
  const options = startOptions(set, '', {});
  const directory = join(set, 'cluster');
  await using cluster = await Cluster.start({
    directory,
    launcher,
    arguments: options.arguments ?? [],
  });
  const leader = await cluster.leader();
  const content = new GoldenContent(cluster.client(leader));
  await content.plain();
  await content.versions();
  await content.sealed();
  for (const bucket of [BUCKETS.plain, BUCKETS.versions, BUCKETS.sealed])
    await content.listing(bucket);
  await Promise.all(cluster.all.map((at) => cluster.node(at).stop()));
  return content.reads;
}

async function fill(
  options: HoldfastOptions,
  put: (content: GoldenContent, server: HoldfastProcess) => Promise<void>,
): Promise<GoldenRead[]> {
  await using server = await HoldfastProcess.start(options);
  const content = new GoldenContent(server.client());
  await put(content, server);
  const exitCode = await server.stop();
  if (exitCode !== 0) throw new Error(`the server ended with code ${exitCode}: ${server.errors}`);
  return content.reads;
}

/** What was written goes into tables, and live values of segments that are mostly dead to files of their own. */
function compact(directory: string, launcher: string): Promise<void> {
  return holdfast(launcher, 'gc', '--now', '--data', directory);
}

async function holdfast(launcher: string, ...words: readonly string[]): Promise<void> {
  const { exitCode, output, errors } = await runCommand(process.execPath, [launcher, ...words]);
  if (exitCode !== 0) throw new Error(`holdfast ${words.join(' ')} failed:\n${output}${errors}`);
}

/** Of the build that is run. */
function about(launcher: string): Pick<Golden, 'commit' | 'formats'> {
  const root = join(dirname(launcher), '..', '..', '..');
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  });
  return { commit: commit.trim(), formats: formatConstants(root) };
}
