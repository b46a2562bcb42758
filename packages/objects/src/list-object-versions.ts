import type { ReadView } from '@holdfast/kv';
import type { KnownBucket } from './buckets.ts';
import { objectInfo, versionIdText } from './object-record.ts';
import type { ListVersionsPage, ListVersionsRequest, ObjectVersion } from './object-store.ts';
import type { StoreContext } from './store-context.ts';
import { commonPrefixOf, VersionWalk, type WalkedVersion } from './version-walk.ts';

/**
 * One page of all versions of a bucket's keys, delete markers among them, at one revision. KV_BUSY where too many listings
 * are pinned; InvalidArgument where the pinned one has ended.
 */
export async function listObjectVersions(
  context: StoreContext,
  request: ListVersionsRequest,
): Promise<ListVersionsPage> {
  const bucket = await context.buckets.fresh(request.bucket);
  if (request.limit === 0) return new VersionsPage(request).result(false);
  const pin = await context.pinnedViews.of(request.pinned, bucket.record.bucketId);
  if (pin !== undefined) {
    const page = await readPage(pin.view, bucket, request);
    if (page.more) return { ...page, pin: pin.id };
    context.pinnedViews.close(pin.id);
    return page;
  }
  const view = await context.kv.readView({ maxAgeMs: context.limits.readViewAgeMs });
  try {
    return await readPage(view, bucket, request);
  } finally {
    view.close();
  }
}

async function readPage(
  view: ReadView,
  bucket: KnownBucket,
  request: ListVersionsRequest,
): Promise<ListVersionsPage> {
  const page = new VersionsPage(request);
  const walk = await VersionWalk.open(view, bucket, request);
  try {
    for (;;) {
      const version = await walk.next();
      if (version === undefined) return page.result(false);
      if (page.isFull) return page.result(true);
      const commonPrefix = commonPrefixOf(version.key, request);
      if (commonPrefix === undefined) page.add(version);
      else {
        page.addPrefix(commonPrefix);
        walk.skip(commonPrefix);
      }
    }
  } finally {
    walk.close();
  }
}

class VersionsPage {
  readonly #request: ListVersionsRequest;
  readonly #versions: ObjectVersion[] = [];
  readonly #commonPrefixes: string[] = [];
  #lastKey: string | undefined;
  #lastVersionId: string | undefined;

  constructor(request: ListVersionsRequest) {
    this.#request = request;
  }

  get isFull(): boolean {
    return this.#versions.length + this.#commonPrefixes.length === this.#request.limit;
  }

  add({ key, record, isLatest }: WalkedVersion): void {
    const versionId = versionIdText(record.version);
    this.#lastKey = key;
    this.#lastVersionId = versionId;
    this.#versions.push({
      ...objectInfo(this.#request.bucket, key, record),
      versionId,
      isLatest,
      isDeleteMarker: record.body.kind === 'marker',
    });
  }

  addPrefix(commonPrefix: string): void {
    this.#lastKey = commonPrefix;
    this.#lastVersionId = undefined;
    this.#commonPrefixes.push(commonPrefix);
  }

  result(more: boolean): ListVersionsPage {
    return {
      versions: this.#versions,
      commonPrefixes: this.#commonPrefixes,
      more,
      lastKey: this.#lastKey,
      lastVersionId: this.#lastVersionId,
    };
  }
}
