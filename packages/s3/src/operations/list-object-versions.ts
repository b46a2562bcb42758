import type { ObjectInfo } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { checksumName, checksumTypeName } from '../checksum-headers.ts';
import { isoDate } from '../http-date.ts';
import { MAX_PAGE, type NameEncoder, readCount, readEncoding } from '../list-parameters.ts';
import { ownerElement } from '../owner-element.ts';
import type { S3Call } from '../s3-call.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Every object of a bucket without versioning has one version, and its id is this. */
const ONLY_VERSION = 'null';

/** Source: AWS API reference, "ListObjectVersions". */
export async function listObjectVersions(call: S3Call): Promise<void> {
  const prefix = call.parameter('prefix') || undefined;
  const delimiter = call.parameter('delimiter') || undefined;
  const keyMarker = call.parameter('key-marker') || undefined;
  const limit = readCount(call, 'max-keys', MAX_PAGE);
  const encode = readEncoding(call);
  const show: NameEncoder = encode ?? ((name) => name);
  const page = await call.service.store.listObjects({
    bucket: call.bucket,
    limit,
    ...(prefix !== undefined && { prefix }),
    ...(delimiter !== undefined && { delimiter }),
    ...(keyMarker !== undefined && { after: keyMarker }),
  });
  const next = page.more ? page.last : undefined;
  const { ownerId } = call.openBucket.bucket;
  const inner =
    element('Name', call.bucket) +
    element('Prefix', show(prefix ?? '')) +
    element('KeyMarker', show(keyMarker ?? '')) +
    element('VersionIdMarker', call.parameter('version-id-marker') ?? '') +
    (next === undefined
      ? ''
      : element('NextKeyMarker', show(next)) + element('NextVersionIdMarker', ONLY_VERSION)) +
    (delimiter === undefined ? '' : element('Delimiter', show(delimiter))) +
    element('MaxKeys', String(limit)) +
    (encode === undefined ? '' : element('EncodingType', 'url')) +
    element('IsTruncated', String(page.more)) +
    page.objects
      .map((object) =>
        versionElement(object, ownerElement(call, object.metadata.ownerId ?? ownerId), show),
      )
      .join('') +
    page.commonPrefixes
      .map((name) => `<CommonPrefixes>${element('Prefix', show(name))}</CommonPrefixes>`)
      .join('');
  await sendXml(call, 200, xmlDocument('ListVersionsResult', inner));
}

function versionElement(object: ObjectInfo, owner: string, show: NameEncoder): string {
  const { checksum } = object;
  const inner =
    element('Key', show(object.key)) +
    element('VersionId', ONLY_VERSION) +
    element('IsLatest', 'true') +
    element('LastModified', isoDate(object.modifiedMs)) +
    element('ETag', `"${object.etag}"`) +
    (checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', checksumName(checksum.algorithm)) +
        element('ChecksumType', checksumTypeName(checksum.type))) +
    element('Size', String(object.sizeBytes)) +
    owner +
    element('StorageClass', object.metadata.storageClass ?? 'STANDARD');
  return `<Version>${inner}</Version>`;
}
