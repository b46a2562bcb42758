import { FileError } from '@holdfast/env';
import { WalError } from './errors.ts';

/** Acknowledged bytes are damaged: says where, and what to do. */
export function corruption(path: string, offset: number, what: string, cause?: unknown): WalError {
  return new WalError(
    'WAL_CORRUPTION',
    `${path} is damaged at byte ${offset}: ${what}. These bytes were acknowledged, so they are not cut ` +
      'and no file was changed. Keep the folder, copy it, and bring this node back from its peers or from a ' +
      'backup under a new node id; `holdfast wal inspect` shows what is still whole.',
    cause === undefined ? { path, offset } : { path, offset, cause },
  );
}

/** A segment that was durable is gone. */
export function missingSegment(path: string): WalError {
  return new WalError(
    'WAL_CORRUPTION',
    `${path} is missing: it was the newest segment of this log, and records in it may have been acknowledged. ` +
      'No file was changed. Put the file back if it was moved away; otherwise copy the folder, and bring this ' +
      'node back from its peers or from a backup under a new node id (`holdfast salvage` takes what is left).',
    { path, offset: 0 },
  );
}

export function foreign(path: string, found: string, expected: string): WalError {
  return new WalError(
    'WAL_FOREIGN_SEGMENT',
    `${path} belongs to ${found}, this process is ${expected}. Start it with its own data folder, or move ` +
      'the file that does not belong here away.',
    { path, offset: 0 },
  );
}

export function newerFormat(path: string): WalError {
  return new WalError(
    'WAL_NEWER_FORMAT',
    `${path} was written by a newer Holdfast in a format that this one cannot read. Start the newer ` +
      'version on this folder; going back to an older version is not possible.',
    { path, offset: 0 },
  );
}

export function isFileError(error: unknown, code: FileError['code']): boolean {
  return error instanceof FileError && error.code === code;
}

export function ignoreNoSpace(error: unknown): void {
  if (!isFileError(error, 'NO_SPACE')) throw error;
}

export function noSpace(cause: unknown): WalError {
  return new WalError(
    'WAL_NO_SPACE',
    'The volume of the log is full. Nothing of this batch was acknowledged or kept; free some space and ' +
      'append again.',
    { cause },
  );
}

export function poisoned(cause: unknown): WalError {
  return new WalError(
    'WAL_POISONED',
    'A write or sync of the log failed, so what is on disk is not known, and nothing more is acknowledged. ' +
      'Check the device, then restart the process: recovery reads what is there.',
    { cause },
  );
}
