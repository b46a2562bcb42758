import type { CrashSubject, MemoryFiles } from '@holdfast/env/memory';
import { MemoryFiles as Disk } from '@holdfast/env/memory';
import type { RestoreAim } from '../../src/index.ts';
import { openLocalStore, restoreBackup, verifyBackups } from '../../src/index.ts';
import { contentsOf, DIRECTORY, del, open, put } from '../fixtures/crash-enumeration.ts';
import { Script } from './script.ts';
import {
  checkedContents,
  envOf,
  neglectful,
  SMALLEST,
  type SubjectOptions,
} from './store-subject.ts';

const TARGET = '/backups';
const RESTORED = '/new';

/** What may be found: one of these contents with one of these lists of backups. */
interface BackupMoment {
  readonly contents: readonly string[];
  readonly backups: readonly string[];
}

interface FoundBackups {
  readonly contents: string;
  /** Indexes of the whole backups, as text. */
  readonly backups: string;
}

/** A disk with a store of two tables, three segments and a tail, that was closed; with a backup where asked. */
async function baseDisk(backUp: boolean): Promise<{ files: MemoryFiles; contents: string }> {
  const files = new Disk();
  const store = await open(await envOf(files), SMALLEST);
  const script = new Script(store);
  await script.transact({ operations: [put('a', 6000), put('b', 7000)] });
  await store.flush();
  await script.transact({ operations: [put('c', 9000), put('d', 10)] });
  await store.flush();
  await script.transact({ operations: [put('a', 8000)] }, { operations: [del('b')] });
  const contents = (await contentsOf(store)).join('\n');
  if (backUp) await store.backup({ to: TARGET });
  await store.close();
  return { files, contents };
}

/**
 * A backup that is cut off: the store is as it was, every backup with a manifest is whole, and an acknowledged one is
 * there. `replaces`: there is one before it, which it replaces after further writes.
 */
export function backupSubject(
  { replaces = false }: { readonly replaces?: boolean } = {},
  { neglect }: SubjectOptions = {},
): CrashSubject<BackupMoment> {
  const base = baseDisk(replaces).then(async (made) => (replaces ? await rewritten(made) : made));
  return {
    start: async () => (await base).files.clone(),
    script: (files) => {
      let moment: BackupMoment = { contents: [], backups: [] };
      return {
        run: async () => {
          const { contents } = await base;
          const env = await envOf(neglectful(files, neglect));
          const store = await open(env, SMALLEST);
          const earlier = replaces ? '4' : '';
          const { revision } = store.status();
          const both = replaces ? [earlier, `4 ${revision}`] : [earlier];
          moment = { contents: [contents], backups: [...both, `${revision}`] };
          await store.backup(replaces ? { to: TARGET, keep: 1 } : { to: TARGET });
          moment = { contents: [contents], backups: [`${revision}`] };
          await store.close();
        },
        moment: () => moment,
      };
    },
    recover: async (files) => JSON.stringify(await foundOn(files)),
    judge: judgeBackups,
    proceed: (files, found) => proceedWithBackup(files, JSON.parse(found) as FoundBackups),
  };
}

async function rewritten(base: {
  files: MemoryFiles;
}): Promise<{ files: MemoryFiles; contents: string }> {
  const { files } = base;
  const store = await open(await envOf(files), SMALLEST);
  await store.transact({ operations: [put('a', 3000), put('z', 4000)] });
  await store.compact();
  const contents = (await contentsOf(store)).join('\n');
  await store.close();
  return { files, contents };
}

async function foundOn(files: MemoryFiles): Promise<FoundBackups> {
  const env = await envOf(files);
  const store = await open(env, SMALLEST);
  const contents = await checkedContents(store, files);
  await store.close();
  const left = (await files.list(DIRECTORY)).filter((name) => name.startsWith('backup'));
  if (left.length > 0) throw new Error(`${left.join(' ')} is left over`);
  return { contents, backups: (await wholeBackups(files)).join(' ') };
}

/** Indexes of the backups, each of which must be whole. */
async function wholeBackups(files: MemoryFiles): Promise<number[]> {
  const names = (await files.stat(TARGET)) === undefined ? [] : await files.list(TARGET);
  if (!names.some((name) => name.endsWith('.json'))) return [];
  const backups = await verifyBackups(await envOf(files), TARGET);
  const [problem] = backups.flatMap(({ problems }) => problems);
  if (problem !== undefined) throw new Error(`a backup is damaged: ${JSON.stringify(problem)}`);
  return backups.map(({ index }) => index);
}

function judgeBackups(found: string, moment: BackupMoment): string | undefined {
  // Before the script has opened the store.
  if (moment.contents.length === 0) return undefined;
  const { contents, backups } = JSON.parse(found) as FoundBackups;
  if (!moment.contents.includes(contents)) return `the store holds ${contents}`;
  if (moment.backups.includes(backups)) return undefined;
  return `whole backups are [${backups}], not one of [${moment.backups.join('], [')}]`;
}

/** The store takes a write, another backup is made, and a store that is restored from it has it all. */
function proceedWithBackup(
  files: MemoryFiles,
  found: FoundBackups,
): ReturnType<CrashSubject<BackupMoment>['proceed']> {
  let script: Script | undefined;
  let backups = [found.backups];
  return {
    run: async () => {
      const env = await envOf(files);
      const store = await open(env, SMALLEST);
      script = new Script(store, found.contents);
      await script.transact({ operations: [put('after', 3000)] });
      const next = `${found.backups} ${store.status().revision}`.trim();
      backups = [found.backups, next];
      await store.backup({ to: TARGET });
      backups = [next];
      const contents = (await contentsOf(store)).join('\n');
      await store.close();
      const directory = await freeDirectory(files);
      await restoreBackup(env, { from: TARGET, directory });
      await mustHold(files, directory, contents);
    },
    moment: () => {
      if (script === undefined) return { contents: [found.contents], backups };
      const { states, acknowledged, submitted } = script.moment;
      return { contents: states.slice(acknowledged, submitted + 1), backups };
    },
  };
}

/** One that no restore before, on this disk, has made or begun to make. */
async function freeDirectory(files: MemoryFiles): Promise<string> {
  for (let number = 0; ; number++) {
    const directory = `/restored-${number}`;
    if ((await files.stat(directory)) === undefined) return directory;
  }
}

async function mustHold(files: MemoryFiles, directory: string, contents: string): Promise<void> {
  const settings = SMALLEST;
  const store = await openLocalStore({ env: await envOf(files), directory, settings });
  const found = (await contentsOf(store)).join('\n');
  await store.close();
  if (found !== contents) throw new Error(`${directory} holds ${found}, not ${contents}`);
}

/** Whether an acknowledged restore is to be found; `contents` of the store, or of the restored one. */
interface RestoreMoment {
  readonly acknowledged: boolean;
  readonly contents: readonly string[];
}

interface FoundRestore {
  /** Whether the folder had a whole store in it; else the restore was run again. */
  readonly whole: boolean;
  readonly contents: string;
}

/** A restore that is cut off: the new folder opens whole or not at all, and running it again completes it. */
export function restoreSubject(
  aim: RestoreAim & { readonly contents?: string } = {},
  { neglect }: SubjectOptions = {},
): CrashSubject<RestoreMoment> {
  const base = baseDisk(true);
  const request = { from: TARGET, directory: RESTORED, ...aim };
  return {
    start: async () => (await base).files.clone(),
    script: (files) => {
      let moment: RestoreMoment = { acknowledged: false, contents: [] };
      return {
        run: async () => {
          const contents = [aim.contents ?? (await base).contents];
          moment = { acknowledged: false, contents };
          await restoreBackup(await envOf(neglectful(files, neglect)), request);
          moment = { acknowledged: true, contents };
        },
        moment: () => moment,
      };
    },
    recover: async (files) => {
      const whole = (await files.stat(`${RESTORED}/node.json`)) !== undefined;
      const again = restoreBackup(await envOf(files), request);
      if (whole) await mustReject(again, 'holds a store already');
      else {
        await again;
      }
      return JSON.stringify({ whole, contents: await restoredContents(files) });
    },
    agrees: (found, again) => {
      const [before, after] = [found, again].map((text) => JSON.parse(text) as FoundRestore);
      return (
        before?.contents === after?.contents && (before?.whole !== true || after?.whole === true)
      );
    },
    judge: judgeRestore,
    proceed: (files, found) => proceedRestored(files, JSON.parse(found) as FoundRestore),
  };
}

async function restoredContents(files: MemoryFiles): Promise<string> {
  const env = await envOf(files);
  const store = await openLocalStore({ env, directory: RESTORED, settings: SMALLEST });
  const contents = (await contentsOf(store)).join('\n');
  await store.close();
  return contents;
}

function judgeRestore(found: string, moment: RestoreMoment): string | undefined {
  const { whole, contents } = JSON.parse(found) as FoundRestore;
  if (moment.acknowledged && !whole) return 'an acknowledged restore is gone';
  if (moment.contents.length === 0 || moment.contents.includes(contents)) return undefined;
  return `what was restored holds ${contents}, not ${moment.contents.join(' or ')}`;
}

function proceedRestored(
  files: MemoryFiles,
  found: FoundRestore,
): ReturnType<CrashSubject<RestoreMoment>['proceed']> {
  let script: Script | undefined;
  return {
    run: async () => {
      const env = await envOf(files);
      const store = await openLocalStore({ env, directory: RESTORED, settings: SMALLEST });
      script = new Script(store, found.contents);
      await script.transact({ operations: [put('after', 3000), del('a')] });
      await store.compact();
      await store.close();
    },
    moment: () => {
      const { states, acknowledged, submitted } = script?.moment ?? {
        states: [found.contents],
        acknowledged: 0,
        submitted: 0,
      };
      return { acknowledged: true, contents: states.slice(acknowledged, submitted + 1) };
    },
  };
}

async function mustReject(promise: Promise<unknown>, message: string): Promise<void> {
  const error = await promise.then(
    () => 'nothing was refused',
    (cause: Error) => cause.message,
  );
  if (!error.includes(message)) throw new Error(error);
}
