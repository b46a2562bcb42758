import { checkReadConditions } from './conditions.ts';
import { checkCustomerKey, OBJECT_REFUSALS } from './data-keys.ts';
import { findObject, infoOf } from './find-object.ts';
import { partsAfter } from './manifest.ts';
import { validatorsOf } from './object-record.ts';
import type { ListObjectPartsPage, ListObjectPartsRequest, PartInfo } from './object-store.ts';
import { partInfo } from './part-record.ts';
import type { StoreContext } from './store-context.ts';

/** Parts of a completed object by their number, one page, of one version whatever is written meanwhile. */
export async function listObjectParts(
  context: StoreContext,
  request: ListObjectPartsRequest,
): Promise<ListObjectPartsPage> {
  const view = await context.kv.readView({ maxAgeMs: context.limits.readViewAgeMs });
  try {
    const found = await findObject(context, request, view);
    checkCustomerKey(context, found.record.encryption, request.customerKey, OBJECT_REFUSALS);
    checkReadConditions(request.conditions, validatorsOf(found.record));
    const info = infoOf(request, found);
    const parts: PartInfo[] = [];
    for await (const part of partsAfter(view, found.record.body, request.after)) {
      if (parts.length === request.limit) return { info, parts, more: true };
      parts.push(partInfo(part));
    }
    return { info, parts, more: false };
  } finally {
    view.close();
  }
}
