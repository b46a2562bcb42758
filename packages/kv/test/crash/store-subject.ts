import { logIndex } from '@holdfast/bytes';
import type { Env, Files } from '@holdfast/env';
import type { CrashSubject, Neglect } from '@holdfast/env/memory';
import {
  createMemoryEnv,
  ManualClock,
  MemoryFiles,
  negligentFiles,
  SeededRandom,
} from '@holdfast/env/memory';
import type { LocalStore, LocalStoreSettings } from '../../src/index.ts';
import { recover } from '../../src/local-recovery.ts';
import { resolveSettings } from '../../src/store-settings.ts';
import type { Run } from '../fixtures/crash-enumeration.ts';
import {
  contentsOf,
  DIRECTORY,
  del,
  extentBytesOf,
  open,
  put,
  TINY,
} from '../fixtures/crash-enumeration.ts';
import { judgeState, Script, type StoreMoment } from './script.ts';

export interface SubjectOptions {
  readonly settings?: LocalStoreSettings;
  /** A duty that the engine forgets while the script runs: a mutant. */
  readonly neglect?: Neglect | undefined;
  /** Before it is recovered it is opened as a member's folder is that was cut off: nothing behind the tables is known to be committed. */
  readonly knowsLess?: boolean;
}

/** As small as it gets, and without large buffers, which take most of the time of opening a small store. */
export const SMALLEST: LocalStoreSettings = {
  ...TINY,
  wal: { ...TINY.wal, cacheSizeBytes: 64 * 1024 },
};

const NOTHING: StoreMoment = { states: [''], acknowledged: 0, submitted: 0 };

/** A store under a script, in a folder that is new. */
export function storeSubject(
  run: Run,
  { settings = SMALLEST, neglect, knowsLess = false }: SubjectOptions = {},
): CrashSubject<StoreMoment> {
  return {
    start: async () => new MemoryFiles(),
    script: (files) => storeScript(neglectful(files, neglect), settings, '', run),
    recover: async (files) => {
      if (knowsLess) await openKnowingLess(files, settings);
      const store = await open(await envOf(files), settings);
      try {
        return await checkedContents(store, files);
      } finally {
        await store.close();
      }
    },
    judge: judgeState,
    proceed: (files, found) => storeScript(files, settings, found, AFTER),
  };
}

/** Safety: what the tables refer to is there, whatever records behind them have replaced. */
export async function openKnowingLess(files: Files, settings: LocalStoreSettings): Promise<void> {
  if ((await files.stat(DIRECTORY)) === undefined) return;
  const env = await envOf(files);
  const seam = {
    committedIndex: () => logIndex(0),
    applyForeign: () => undefined,
    hashesState: false,
  };
  const resolved = await resolveSettings(env, DIRECTORY, settings);
  const { wal, engine, unlock } = await recover({
    ...resolved,
    env,
    directory: DIRECTORY,
    identity: undefined,
    seam,
  });
  await engine.close();
  await wal.close();
  await unlock();
}

/** Takes a write, one that removes something, and every kind of maintenance. */
const AFTER: Run = async (store, script) => {
  await script.transact({ operations: [put('after', 3000), del('a')] });
  await script.transact({ operations: [put('after', 20), put('z', 1500)] });
  await store.compact();
};

function storeScript(
  files: Files,
  settings: LocalStoreSettings,
  found: string,
  run: Run,
): ReturnType<CrashSubject<StoreMoment>['script']> {
  let script: Script | undefined;
  return {
    run: async () => {
      const store = await open(await envOf(files), settings);
      script = new Script(store, found);
      await run(store, script);
      await store.close();
    },
    moment: () => script?.moment ?? { ...NOTHING, states: [found] },
  };
}

/** Everything in the store, whose own counts must agree with it. */
export async function checkedContents(store: LocalStore, files: Files): Promise<string> {
  const contents = await contentsOf(store);
  const status = store.status();
  const liveBytes = await extentBytesOf(store);
  if (status.liveBytes !== liveBytes) {
    throw new Error(`${status.liveBytes} live bytes are counted, and there are ${liveBytes}`);
  }
  const names = (await files.list(`${DIRECTORY}/kv`)).filter((name) => name !== 'MANIFEST');
  if (names.length !== status.tableCount + status.extentFiles.length) {
    throw new Error(`files are left over: ${names.join(' ')}`);
  }
  return contents.join('\n');
}

export function neglectful(files: Files, neglect: Neglect | undefined): Files {
  return neglect === undefined ? files : negligentFiles(files, neglect);
}

/**
 * The environment of a process on that disk; all are alike. What keeps no state is shared: to make the tables of
 * checksums, or buffers of a MiB, takes longer than to recover a small store.
 */
export async function envOf(files: Files): Promise<Env> {
  return { ...(await shared), files, clock: new ManualClock(), random: new SeededRandom(1) };
}

const shared = createMemoryEnv().then(({ crc32c, bodyChecksum, digests, ciphers }) => {
  const pool: Uint8Array[] = [];
  let next = 0;
  // A file that is read for its hash takes one buffer; never so many are read at once.
  const allocate = (sizeBytes: number): Uint8Array => {
    const place = next++ % 16;
    if (pool[place]?.length !== sizeBytes) pool[place] = digests.allocate(sizeBytes);
    return pool[place] as Uint8Array;
  };
  const { compute, computeSoon, stream, close } = digests;
  return {
    crc32c,
    bodyChecksum,
    ciphers,
    digests: {
      compute: compute.bind(digests),
      computeSoon: computeSoon.bind(digests),
      stream: stream.bind(digests),
      close: close.bind(digests),
      allocate,
    },
  };
});
