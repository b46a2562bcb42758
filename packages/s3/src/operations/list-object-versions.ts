import type { ObjectVersion } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { checksumName, checksumTypeName } from '../checksum-headers.ts';
import { isoDate } from '../http-date.ts';
import { MAX_PAGE, type NameEncoder, readCount, readEncoding } from '../list-parameters.ts';
import { pinHeaders, readPin } from '../listing-pin.ts';
import { objectOwnerElement } from '../owner-element.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';
import { element, optionalElement, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "ListObjectVersions". */
export async function listObjectVersions(call: S3Call): Promise<void> {
  const prefix = call.parameter('prefix') || undefined;
  const delimiter = call.parameter('delimiter') || undefined;
  const keyMarker = call.parameter('key-marker') || undefined;
  const versionIdMarker = call.parameter('version-id-marker');
  if (versionIdMarker !== undefined && keyMarker === undefined) {
    throw invalidArgument(
      'A version-id marker cannot be specified without a key marker.',
      'version-id-marker',
      versionIdMarker,
    );
  }
  if (versionIdMarker === '') {
    throw invalidArgument('A version-id marker cannot be empty.', 'version-id-marker', '');
  }
  const limit = readCount(call, 'max-keys', MAX_PAGE);
  const encode = readEncoding(call);
  const show: NameEncoder = encode ?? ((name) => name);
  const pinned = readPin(call);
  const page = await call.store.listObjectVersions({
    bucket: call.bucket,
    limit,
    ...(prefix !== undefined && { prefix }),
    ...(delimiter !== undefined && { delimiter }),
    ...(keyMarker !== undefined && { afterKey: keyMarker }),
    ...(versionIdMarker !== undefined && { afterVersionId: versionIdMarker }),
    ...(pinned !== undefined && { pinned }),
  });
  const next = page.more ? page.lastKey : undefined;
  const inner =
    element('Name', call.bucket) +
    element('Prefix', show(prefix ?? '')) +
    element('KeyMarker', show(keyMarker ?? '')) +
    element('VersionIdMarker', versionIdMarker ?? '') +
    (next === undefined
      ? ''
      : element('NextKeyMarker', show(next)) +
        optionalElement('NextVersionIdMarker', page.lastVersionId)) +
    (delimiter === undefined ? '' : element('Delimiter', show(delimiter))) +
    element('MaxKeys', String(limit)) +
    (encode === undefined ? '' : element('EncodingType', 'url')) +
    element('IsTruncated', String(page.more)) +
    page.versions
      .map((version) =>
        versionElement(version, objectOwnerElement(call, version.metadata.ownerId), show),
      )
      .join('') +
    page.commonPrefixes
      .map((name) => `<CommonPrefixes>${element('Prefix', show(name))}</CommonPrefixes>`)
      .join('');
  await sendXml(call, 200, xmlDocument('ListVersionsResult', inner), pinHeaders(page.pin));
}

function versionElement(version: ObjectVersion, owner: string, show: NameEncoder): string {
  const head =
    element('Key', show(version.key)) +
    element('VersionId', version.versionId) +
    element('IsLatest', String(version.isLatest)) +
    element('LastModified', isoDate(version.modifiedMs));
  if (version.isDeleteMarker) return `<DeleteMarker>${head}${owner}</DeleteMarker>`;
  const { checksum } = version;
  const inner =
    element('ETag', `"${version.etag}"`) +
    (checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', checksumName(checksum.algorithm)) +
        element('ChecksumType', checksumTypeName(checksum.type))) +
    element('Size', String(version.sizeBytes)) +
    owner +
    element('StorageClass', version.metadata.storageClass ?? 'STANDARD');
  return `<Version>${head}${inner}</Version>`;
}
