import { keyAfter } from './key-range.ts';
import { KEY_SPACE, objectKeyOf, objectKvKey, spaceRange } from './keys.ts';
import { NameWalk } from './name-walk.ts';
import { decodeObjectRecord, objectInfo } from './object-record.ts';
import type { ListObjectsPage, ListObjectsRequest, ObjectInfo } from './object-store.ts';
import type { StoreContext } from './store-context.ts';

/**
 * One page of a bucket's names, at one revision. It costs the number of results, not of keys. KV_BUSY where too many
 * listings are pinned; InvalidArgument where the pinned one has ended.
 */
export async function listObjects(
  context: StoreContext,
  request: ListObjectsRequest,
): Promise<ListObjectsPage> {
  const { bucketId } = (await context.buckets.fresh(request.bucket)).record;
  if (request.limit === 0) return { objects: [], commonPrefixes: [], more: false, last: undefined };
  const walk = new NameWalk({
    range: (prefix) => spaceRange(KEY_SPACE.object, objectKvKey(bucketId, prefix).subarray(1)),
    keyOf: (entry) => objectKeyOf(entry.key),
    prefix: request.prefix ?? '',
    delimiter: request.delimiter,
    after: request.after,
    past: (after) => keyAfter(objectKvKey(bucketId, after)),
  });
  const pin = await context.pinnedViews.of(request.pinned, bucketId);
  const objects: ObjectInfo[] = [];
  const commonPrefixes: string[] = [];
  let last: string | undefined;
  let more = false;
  for await (const name of walk.names(pin?.view ?? context.kv)) {
    if (objects.length + commonPrefixes.length === request.limit) {
      more = true;
      break;
    }
    last = name.name;
    if (name.entry === undefined) commonPrefixes.push(name.name);
    else objects.push(objectInfo(request.bucket, name.name, decodeObjectRecord(name.entry.value)));
  }
  if (pin === undefined) return { objects, commonPrefixes, more, last };
  if (more) return { objects, commonPrefixes, more, last, pin: pin.id };
  context.pinnedViews.close(pin.id);
  return { objects, commonPrefixes, more, last };
}
