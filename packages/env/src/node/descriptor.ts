/**
 * Node's callback calls on a file descriptor as promises, looped until all is done. They are wrapped
 * by hand because a `FileHandle` of node:fs/promises costs several microseconds more a call.
 */
import {
  close,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  open,
  openSync,
  read,
  readSync,
  write,
} from 'node:fs';
import { errnoOf, fileErrorOf } from './file-errors.ts';

type Done = (error: Error | null) => void;

function call(operation: string, path: string, start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null || error === undefined) resolve();
      else reject(fileErrorOf(operation, path, error));
    });
  });
}

export function openDescriptor(path: string, flags: number, mode?: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, mode, (error, descriptor) => {
      if (error === null) resolve(descriptor);
      else reject(fileErrorOf('open', path, error));
    });
  });
}

/** As `openDescriptor`, of a file that is there; done when it returns. */
export function openDescriptorNow(path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw fileErrorOf('open', path, error);
  }
}

export function closeDescriptor(descriptor: number, path: string): Promise<void> {
  return call('close', path, (done) => close(descriptor, done));
}

/** Writes all of `source`; a short write is continued, a write of nothing is an error. */
export function writeFully(
  descriptor: number,
  source: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let offset = 0;
    const next = (): void => {
      write(descriptor, source, offset, source.length - offset, position + offset, settle);
    };
    const settle = (error: Error | null, written: number): void => {
      if (error !== null) return reject(fileErrorOf('write', path, error));
      offset += written;
      if (offset === source.length) return resolve();
      if (written === 0) return reject(fileErrorOf('write', path, new Error('wrote nothing')));
      next();
    };
    if (source.length === 0) resolve();
    else next();
  });
}

/** Reads until `target` is full or the file ends; returns the bytes read. */
export function readFully(
  descriptor: number,
  target: Uint8Array,
  position: number,
  path: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let offset = 0;
    const next = (): void => {
      read(descriptor, target, offset, target.length - offset, position + offset, settle);
    };
    const settle = (error: Error | null, count: number): void => {
      if (isInterrupted(error)) return next();
      if (error !== null) return reject(fileErrorOf('read', path, error));
      offset += count;
      if (count === 0 || offset === target.length) return resolve(offset);
      next();
    };
    if (target.length === 0) resolve(0);
    else next();
  });
}

/** As `readFully`, done when it returns. */
export function readFullyNow(
  descriptor: number,
  target: Uint8Array,
  position: number,
  path: string,
): number {
  let offset = 0;
  while (offset < target.length) {
    try {
      const count = readSync(descriptor, target, offset, target.length - offset, position + offset);
      if (count === 0) break;
      offset += count;
    } catch (error) {
      if (!isInterrupted(error)) throw fileErrorOf('read', path, error);
    }
  }
  return offset;
}

/**
 * A signal came first, and nothing was read. Why only here: libuv repeats every call that is interrupted, but reads and
 * closes. Source: `retry_on_eintr` of its src/unix/fs.c.
 */
function isInterrupted(error: unknown): boolean {
  return errnoOf(error) === 'EINTR';
}

/** fdatasync: the bytes and, where it changed, the size; not the times. */
export function syncData(descriptor: number, path: string): Promise<void> {
  return call('sync', path, (done) => fdatasync(descriptor, done));
}

export function syncAll(descriptor: number, path: string): Promise<void> {
  return call('sync', path, (done) => fsync(descriptor, done));
}

export function truncateDescriptor(
  descriptor: number,
  sizeBytes: number,
  path: string,
): Promise<void> {
  return call('truncate', path, (done) => ftruncate(descriptor, sizeBytes, done));
}

export function descriptorSize(descriptor: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fstat(descriptor, (error, stats) => {
      if (error === null) resolve(stats.size);
      else reject(fileErrorOf('stat', path, error));
    });
  });
}
