import type { FileHandle, Files } from '../files.ts';

/** One duty that is left undone. */
export interface Neglect {
  /** `sync`: of a file. `writeSynced`: writes, and does not sync. `syncDirectory`: of a folder. */
  readonly duty: 'sync' | 'writeSynced' | 'syncDirectory';
  /** Of which files or folders. */
  readonly path: RegExp;
  /** Of a write: only at the very start of a file, or only behind it. Default: all. */
  readonly position?: 'start' | 'later';
  /**
   * `never` (the default): it is not done at all. Else it is called done at once and done late: right after the next
   * `sync`, `rename` or `unlink` of such a path has returned, or, where there is none, so many turns later.
   */
  readonly until?: 'never' | RegExp | number;
}

/** A neglect from its JSON text, where a path is the source of its expression. */
export function parseNeglect(text: string): Neglect {
  return JSON.parse(text, (name, value: unknown) => {
    const isPath = name === 'path' || (name === 'until' && typeof value === 'string');
    return isPath && value !== 'never' ? new RegExp(String(value)) : value;
  }) as Neglect;
}

type Late = { readonly until: RegExp; readonly run: () => Promise<void> };

/**
 * The same files under an engine that forgets a duty, or does it too late: a mutant, which a search of crash states
 * must find out. Everything else is handed on.
 */
export function negligentFiles(files: Files, neglect: Neglect): Files {
  const duties = new Duties(neglect);
  return {
    open: async (path, mode, options) =>
      negligentHandle(await files.open(path, mode, options), duties),
    rename: (from, to) => duties.after(to, files.rename(from, to)),
    link: (from, to) => files.link(from, to),
    unlink: (path) => duties.after(path, files.unlink(path)),
    makeDirectory: (path) => files.makeDirectory(path),
    removeDirectory: (path) => files.removeDirectory(path),
    list: (path) => files.list(path),
    stat: (path) => files.stat(path),
    syncDirectory: (path) =>
      duties.forgets('syncDirectory', path)
        ? duties.neglect(() => files.syncDirectory(path))
        : files.syncDirectory(path),
    lock: (path) => files.lock(path),
    freeBytes: (path) => files.freeBytes(path),
    allocate: (sizeBytes) => files.allocate(sizeBytes),
  };
}

function negligentHandle(handle: FileHandle, duties: Duties): FileHandle {
  const { path } = handle;
  return {
    path,
    direct: handle.direct,
    read: (target, position) => handle.read(target, position),
    write: (source, position) => handle.write(source, position),
    writeSynced: async (source, position) => {
      if (!duties.forgets('writeSynced', path, position)) {
        return await handle.writeSynced(source, position);
      }
      await handle.write(source, position);
      await duties.neglect(() => handle.sync());
    },
    sync: () =>
      duties.forgets('sync', path)
        ? duties.neglect(() => handle.sync())
        : duties.after(path, handle.sync()),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    sizeBytes: () => handle.sizeBytes(),
    close: () => (duties.owes ? Promise.resolve() : handle.close()),
  };
}

class Duties {
  readonly #neglect: Neglect;
  #late: Late[] = [];

  constructor(neglect: Neglect) {
    this.#neglect = neglect;
  }

  /** Whether something is to be done late: a handle stays open for it. */
  get owes(): boolean {
    return (this.#neglect.until ?? 'never') !== 'never';
  }

  forgets(duty: Neglect['duty'], path: string, position: number = 0): boolean {
    const neglect = this.#neglect;
    if (neglect.duty !== duty || !neglect.path.test(path)) return false;
    return neglect.position === undefined || (neglect.position === 'start') === (position === 0);
  }

  async neglect(run: () => Promise<void>): Promise<void> {
    const { until = 'never' } = this.#neglect;
    if (until === 'never') return;
    if (until instanceof RegExp) this.#late.push({ until, run });
    else void this.#runLater(run, until);
  }

  /** Does what waits for this path, once its operation is over. */
  async after(path: string, operation: Promise<void>): Promise<void> {
    await operation;
    const due = this.#late.filter(({ until }) => until.test(path));
    this.#late = this.#late.filter((late) => !due.includes(late));
    for (const { run } of due) await run();
  }

  async #runLater(run: () => Promise<void>, turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    // The disk may have been stopped by now.
    await run().catch(() => undefined);
  }
}
