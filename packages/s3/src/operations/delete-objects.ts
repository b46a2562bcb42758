import {
  type DeleteObjectRequest,
  type DeleteObjectResult,
  ObjectStoreError,
} from '@holdfast/objects';
import { requiredAction } from '../access/action-table.ts';
import { requireAccess } from '../access/authorize.ts';
import { asksForState } from '../access/condition-actions.ts';
import { sendXml } from '../answer.ts';
import { explainError } from '../answer-error.ts';
import { parseETags } from '../conditional-headers.ts';
import { parseHttpDate } from '../http-date.ts';
import { checkKeyLength } from '../request-target.ts';
import { checkBypass, mayBypass } from '../retention.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren, malformed, type XmlElement } from '../xml-reader.ts';
import { element, xmlDocument } from '../xml-writer.ts';

const MAX_OBJECTS = 1000;

/** Deletes that run at once for one request. */
const CONCURRENCY = 32;

interface DeleteEntry {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string | undefined;
  readonly conditions: DeleteObjectRequest['conditions'];
}

/** Each key is deleted for itself; one that fails does not stop the others. Source: AWS API reference, "DeleteObjects". */
export async function deleteObjects(call: S3Call): Promise<void> {
  const root = await readXmlBody(call, {
    root: 'Delete',
    limitBytes: call.service.limits.deleteXmlSizeBytes,
    maxTags: MAX_OBJECTS * 20,
    requireDigest: true,
  });
  if (root === undefined) throw new S3Error('MissingRequestBodyError');
  const document = checkChildren(root, { Object: 'many', Quiet: 'optional' });
  const entries = document.all('Object').map(readEntry);
  if (entries.length === 0 || entries.length > MAX_OBJECTS) throw malformed();
  checkBypass(call);
  const quiet = document.text('Quiet')?.trim() === 'true';
  const results = await deleteAll(call, distinct(entries), quiet);
  await sendXml(call, 200, xmlDocument('DeleteResult', results.join('')));
}

/** What a request names twice is deleted, and answered, once: else each of them would make a delete marker. */
function distinct(entries: readonly DeleteEntry[]): DeleteEntry[] {
  return [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()];
}

function readEntry(object: XmlElement): DeleteEntry {
  const children = checkChildren(object, {
    Key: 'one',
    VersionId: 'optional',
    ETag: 'optional',
    LastModifiedTime: 'optional',
    Size: 'optional',
  });
  const key = children.text('Key') ?? '';
  if (key === '') throw malformed();
  const etag = children.text('ETag');
  const size = children.text('Size');
  const modified = children.text('LastModifiedTime');
  const modifiedMs = parseHttpDate(modified);
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw malformed();
  // Why: without its condition the object would be deleted.
  if (modified !== undefined && modifiedMs === undefined) throw malformed();
  const conditional = etag !== undefined || size !== undefined || modifiedMs !== undefined;
  return {
    key,
    // An empty one names none, here and for policies.
    versionId: children.text('VersionId') || undefined,
    etag,
    conditions: conditional
      ? {
          ...(etag !== undefined && { ifMatch: parseETags(etag) }),
          ...(size !== undefined && { ifSizeBytes: Number(size) }),
          ...(modifiedMs !== undefined && { ifLastModifiedMs: modifiedMs }),
        }
      : undefined,
  };
}

async function deleteAll(
  call: S3Call,
  entries: readonly DeleteEntry[],
  quiet: boolean,
): Promise<string[]> {
  const results: string[] = new Array<string>(entries.length).fill('');
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < entries.length; index = next++) {
      const entry = entries[index] as DeleteEntry;
      results[index] = await deleteOne(call, entry, quiet);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, entries.length) }, work));
  return results;
}

async function deleteOne(call: S3Call, entry: DeleteEntry, quiet: boolean): Promise<string> {
  const { key, versionId, etag, conditions } = entry;
  try {
    checkKeyLength(key);
    const required = requiredAction('DeleteObject');
    const said = new Map(etag === undefined ? [] : [['if-match', etag]]);
    await requireAccess(call, { ...call.openBucket, required, key, versionId, said });
    if (asksForState(conditions)) {
      const read = requiredAction('GetObject');
      await requireAccess(call, { ...call.openBucket, required: read, key, versionId, said });
    }
    const deleted = await call.store.deleteObject({
      bucket: call.bucket,
      key,
      bypassGovernance: await mayBypass(call, key, versionId),
      ...(versionId && { versionId }),
      ...(conditions !== undefined && { conditions }),
    });
    return quiet ? '' : deletedElement(key, versionId, deleted);
  } catch (error) {
    const refusal = foreignVersion(error)
      ? new S3Error('NoSuchVersion')
      : explainError(call, error);
    const version = versionId === undefined ? '' : element('VersionId', versionId);
    return `<Error>${element('Key', key)}${version}${element('Code', refusal.code)}${element('Message', refusal.message)}</Error>`;
  }
}

/** With a version id in the request, the deleted version's; without, the one of the delete marker that was made. */
function deletedElement(
  key: string,
  versionId: string | undefined,
  deleted: DeleteObjectResult,
): string {
  let inner = element('Key', key);
  if (versionId) inner += element('VersionId', versionId);
  if (deleted.deleteMarker === true) {
    inner += element('DeleteMarker', 'true');
    inner += element('DeleteMarkerVersionId', deleted.versionId ?? 'null');
  }
  return `<Deleted>${inner}</Deleted>`;
}

/** Of many keys, one with an id that no version can have is only a version that is not there. */
function foreignVersion(error: unknown): boolean {
  return error instanceof ObjectStoreError && error.details.versionId !== undefined;
}
