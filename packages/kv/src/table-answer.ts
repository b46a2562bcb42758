import type { FileErrorCode } from '@holdfast/env';
import { FileError } from '@holdfast/env';
import type { KvErrorCode, KvErrorOptions } from './errors.ts';
import { KvError } from './errors.ts';
import type { TableListing } from './sorted-table.ts';

/** What a thread that was to write a table answers: errors lose their class on the way, so they are told in words. */
export type TableAnswer =
  | { readonly kind: 'written'; readonly listing: TableListing }
  | {
      readonly kind: 'kvError';
      readonly code: KvErrorCode;
      readonly message: string;
      readonly options: Omit<KvErrorOptions, 'cause'>;
    }
  | {
      readonly kind: 'fileError';
      readonly code: FileErrorCode;
      readonly path: string;
      readonly message: string;
    };

/** Writes a table, and says what came of it. Other errors than these are thrown. */
export async function answerWith(write: () => Promise<TableListing>): Promise<TableAnswer> {
  try {
    return { kind: 'written', listing: await write() };
  } catch (error) {
    if (error instanceof KvError) {
      const { code, message, path, offset } = error;
      const place = path === undefined ? {} : { path, offset: offset ?? 0 };
      return { kind: 'kvError', code, message, options: place };
    }
    if (!(error instanceof FileError)) throw error;
    const { code, path, message } = error;
    return { kind: 'fileError', code, path, message };
  }
}

/** The listing of an answer; what failed is thrown as it was there. */
export function listingOf(answer: TableAnswer): TableListing {
  if (answer.kind === 'written') return answer.listing;
  if (answer.kind === 'kvError') throw new KvError(answer.code, answer.message, answer.options);
  // Why the end is cut: a `FileError` puts its path behind its message.
  const message = answer.message.slice(0, -`: ${answer.path}`.length);
  throw new FileError(answer.code, answer.path, message);
}
