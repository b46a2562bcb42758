import type { ListObjectsPage } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { checksumName, checksumTypeName } from '../checksum-headers.ts';
import { decodeToken, encodeToken, type ListPosition, wrongToken } from '../continuation-token.ts';
import { isoDate } from '../http-date.ts';
import { MAX_PAGE, type NameEncoder, readCount, readEncoding } from '../list-parameters.ts';
import { pinHeaders, readPin } from '../listing-pin.ts';
import { objectOwnerElement } from '../owner-element.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';
import { element, escapeXml, optionalElement, xmlDocument } from '../xml-writer.ts';

interface ListQuery {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly limit: number;
  readonly encode: NameEncoder | undefined;
}

/** Versions 1 and 2. Source: AWS API reference, "ListObjects" and "ListObjectsV2". */
export async function listObjects(call: S3Call): Promise<void> {
  const listType = call.parameter('list-type');
  if (listType !== undefined && listType !== '2') {
    throw invalidArgument('Invalid List Type specified in Request', 'list-type', listType);
  }
  const query: ListQuery = {
    prefix: call.parameter('prefix') ?? '',
    delimiter: call.parameter('delimiter') || undefined,
    limit: readCount(call, 'max-keys', MAX_PAGE),
    encode: readEncoding(call),
  };
  const { page, inner } =
    listType === '2' ? await listVersion2(call, query) : await listVersion1(call, query);
  await sendXml(call, 200, xmlDocument('ListBucketResult', inner), [
    'x-amz-bucket-region',
    call.service.region,
    ...pinHeaders(page.pin),
  ]);
}

interface ListAnswer {
  readonly page: ListObjectsPage;
  readonly inner: string;
}

async function listVersion1(call: S3Call, query: ListQuery): Promise<ListAnswer> {
  call.operation = 'ListObjects';
  const marker = call.parameter('marker') ?? '';
  const page = await readPage(call, query, marker, readPin(call));
  const show = query.encode ?? identity;
  const isSigned = call.authentication.kind !== 'anonymous';
  // Why only with a delimiter: without one the last key is the marker, and AWS does not repeat it.
  const next = page.more && query.delimiter !== undefined ? page.last : undefined;
  const inner =
    // Why encoded: the SDKs for Java decode it, and ask for the next page with what comes of that. Ceph does not.
    element('Prefix', call.service.answersAsCeph ? query.prefix : show(query.prefix)) +
    head(call, query, page) +
    element('Marker', show(marker)) +
    (next === undefined ? '' : element('NextMarker', show(next))) +
    // Nobody who did not sign is told whose it is.
    contents(page, query.encode, (id) => (isSigned ? objectOwnerElement(call, id) : '')) +
    commonPrefixes(page, query.encode);
  return { page, inner };
}

async function listVersion2(call: S3Call, query: ListQuery): Promise<ListAnswer> {
  call.operation = 'ListObjectsV2';
  const token = call.parameter('continuation-token');
  const startAfter = call.parameter('start-after');
  const withOwner = call.parameter('fetch-owner')?.toLowerCase() === 'true';
  const { answersAsCeph } = call.service;
  // To Ceph an empty token begins at the beginning, and is given back as it came.
  if (token === '' && !answersAsCeph) throw wrongToken(token);
  const { after, pin }: ListPosition = token ? decodeToken(token) : { after: startAfter ?? '' };
  // Why not of a token without a pin: its listing has no revision that could be kept.
  const page = await readPage(call, query, after, pin ?? (token ? undefined : readPin(call)));
  const show = query.encode ?? identity;
  const inner =
    element('Prefix', show(query.prefix)) +
    head(call, query, page) +
    element('KeyCount', String(page.objects.length + page.commonPrefixes.length)) +
    optionalElement('ContinuationToken', token) +
    (page.more && page.last !== undefined
      ? element('NextContinuationToken', encodeToken({ after: page.last, pin: page.pin }))
      : '') +
    (startAfter === undefined || (token !== undefined && !answersAsCeph)
      ? ''
      : element('StartAfter', show(startAfter))) +
    contents(page, query.encode, (id) => (withOwner ? objectOwnerElement(call, id) : '')) +
    commonPrefixes(page, query.encode);
  return { page, inner };
}

function readPage(
  call: S3Call,
  query: ListQuery,
  after: string,
  pinned?: true | string,
): Promise<ListObjectsPage> {
  return call.store.listObjects({
    bucket: call.bucket,
    limit: query.limit,
    ...(query.prefix !== '' && { prefix: query.prefix }),
    ...(query.delimiter !== undefined && { delimiter: query.delimiter }),
    ...(after !== '' && { after }),
    ...(pinned !== undefined && { pinned }),
  });
}

function head(call: S3Call, query: ListQuery, page: ListObjectsPage): string {
  const show = query.encode ?? identity;
  return (
    element('Name', call.bucket) +
    (query.delimiter === undefined ? '' : element('Delimiter', show(query.delimiter))) +
    element('MaxKeys', String(query.limit)) +
    (query.encode === undefined ? '' : element('EncodingType', 'url')) +
    element('IsTruncated', String(page.more))
  );
}

/** One string built in a loop: a page of 1000 keys takes about a millisecond. */
function contents(
  page: ListObjectsPage,
  encode: NameEncoder | undefined,
  owner: (id: string | undefined) => string,
): string {
  let xml = '';
  for (const object of page.objects) {
    const { checksum } = object;
    const key = encode === undefined ? escapeXml(object.key) : encode(object.key);
    xml += `<Contents><Key>${key}</Key><LastModified>${isoDate(object.modifiedMs)}</LastModified><ETag>&quot;${object.etag}&quot;</ETag>`;
    if (checksum !== undefined) {
      xml += `<ChecksumAlgorithm>${checksumName(checksum.algorithm)}</ChecksumAlgorithm><ChecksumType>${checksumTypeName(checksum.type)}</ChecksumType>`;
    }
    xml += `<Size>${object.sizeBytes}</Size>${owner(object.metadata.ownerId)}<StorageClass>${escapeXml(object.metadata.storageClass ?? 'STANDARD')}</StorageClass></Contents>`;
  }
  return xml;
}

function commonPrefixes(page: ListObjectsPage, encode: NameEncoder | undefined): string {
  let xml = '';
  for (const prefix of page.commonPrefixes) {
    const shown = encode === undefined ? escapeXml(prefix) : encode(prefix);
    xml += `<CommonPrefixes><Prefix>${shown}</Prefix></CommonPrefixes>`;
  }
  return xml;
}

function identity(name: string): string {
  return name;
}
