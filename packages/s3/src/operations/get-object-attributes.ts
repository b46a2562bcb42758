import type { ListObjectPartsPage, PartInfo } from '@holdfast/objects';
import { sendXml } from '../answer.ts';
import { checksumElementName, checksumElements } from '../checksum-headers.ts';
import { readConditions } from '../conditional-headers.ts';
import { customerKeyField } from '../encryption/customer-key.ts';
import { httpDate } from '../http-date.ts';
import { MAX_PAGE } from '../list-parameters.ts';
import { versionHeaders } from '../object-metadata.ts';
import { readVersionAddress } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';
import { element, xmlDocument } from '../xml-writer.ts';

const ATTRIBUTES: ReadonlySet<string> = new Set([
  'ETag',
  'Checksum',
  'ObjectParts',
  'StorageClass',
  'ObjectSize',
]);

/** Source: AWS API reference, "GetObjectAttributes". */
export async function getObjectAttributes(call: S3Call): Promise<void> {
  const header = call.headers.get('x-amz-object-attributes') ?? '';
  const wanted = new Set(header.split(',').map((name) => name.trim()));
  for (const name of wanted) {
    if (!ATTRIBUTES.has(name)) {
      throw invalidArgument('Invalid attribute name specified.', 'x-amz-object-attributes', name);
    }
  }
  const conditions = readConditions(call);
  const { info, ...page } = await call.store.listObjectParts({
    ...readVersionAddress(call),
    after: readNumberHeader(call, 'x-amz-part-number-marker') ?? 0,
    limit: Math.min(readNumberHeader(call, 'x-amz-max-parts') ?? MAX_PAGE, MAX_PAGE),
    ...customerKeyField(call),
    ...(conditions !== undefined && { conditions }),
  });
  let inner = '';
  if (wanted.has('ETag')) inner += element('ETag', info.etag);
  if (wanted.has('Checksum') && info.checksum !== undefined) {
    // As on AWS: without the number of parts that ends it everywhere else.
    const value = info.checksum.value.replace(/-\d+$/, '');
    const shown = call.service.answersAsCeph ? info.checksum : { ...info.checksum, value };
    inner += `<Checksum>${checksumElements(shown)}</Checksum>`;
  }
  if (wanted.has('ObjectParts') && info.partCount !== undefined) {
    // As on AWS: parts are shown for their checksums.
    const isShown = info.checksum?.type === 'composite' || call.service.answersAsCeph;
    inner += isShown
      ? partsElement(call, info.partCount, page)
      : `<ObjectParts>${element('PartsCount', String(info.partCount))}</ObjectParts>`;
  }
  if (wanted.has('StorageClass')) {
    inner += element('StorageClass', info.metadata.storageClass ?? 'STANDARD');
  }
  if (wanted.has('ObjectSize')) inner += element('ObjectSize', String(info.sizeBytes));
  await sendXml(call, 200, xmlDocument('GetObjectAttributesResponse', inner), [
    'Last-Modified',
    httpDate(info.modifiedMs),
    ...versionHeaders(info),
  ]);
}

function partsElement(
  call: S3Call,
  count: number,
  { parts, more }: Pick<ListObjectPartsPage, 'parts' | 'more'>,
): string {
  const marker = readNumberHeader(call, 'x-amz-part-number-marker') ?? 0;
  const limit = Math.min(readNumberHeader(call, 'x-amz-max-parts') ?? MAX_PAGE, MAX_PAGE);
  const next = parts.at(-1)?.partNumber ?? (more ? marker : 0);
  return `<ObjectParts>${
    element('PartsCount', String(count)) +
    element('PartNumberMarker', String(marker)) +
    element('NextPartNumberMarker', String(next)) +
    element('MaxParts', String(limit)) +
    element('IsTruncated', String(more)) +
    parts.map(partElement).join('')
  }</ObjectParts>`;
}

function partElement({ partNumber, sizeBytes, checksum }: PartInfo): string {
  const value =
    checksum === undefined ? '' : element(checksumElementName(checksum.algorithm), checksum.value);
  return `<Part>${element('PartNumber', String(partNumber))}${element('Size', String(sizeBytes))}${value}</Part>`;
}

function readNumberHeader(call: S3Call, name: string): number | undefined {
  const value = call.headers.get(name);
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw invalidArgument(`Provided ${name} not an integer or within integer range`, name, value);
}
