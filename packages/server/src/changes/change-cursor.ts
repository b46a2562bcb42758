import type { FeedPlace } from '@holdfast/objects';

const CURSOR = /^([0-9a-f]{8})-([0-9a-f]{1,13})-([0-9a-f]{1,4})$/;

/** A place in the feed of one store, as a client keeps it. Opaque to it. */
export function cursorText(storeId: string, { revision, position }: FeedPlace): string {
  return `${storeId.slice(0, 8)}-${revision.toString(16)}-${position.toString(16)}`;
}

/** undefined where it is no cursor; `isForeign` where it is of another store, or of this before it was restored. */
export function readCursor(
  storeId: string,
  text: string,
): { readonly place: FeedPlace; readonly isForeign: boolean } | undefined {
  const found = CURSOR.exec(text);
  if (found === null) return undefined;
  const [, store, revision = '', position = ''] = found;
  const place = {
    revision: Number.parseInt(revision, 16),
    position: Number.parseInt(position, 16),
  };
  return { place, isForeign: store !== storeId.slice(0, 8) };
}
