import { sendXml } from '../answer.ts';
import { checksumElements } from '../checksum-headers.ts';
import { readConditions } from '../conditional-headers.ts';
import { httpDate } from '../http-date.ts';
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

/** Of `ObjectParts` only the count is known: parts are not kept apart once an upload is complete. Source: AWS API reference, "GetObjectAttributes". */
export async function getObjectAttributes(call: S3Call): Promise<void> {
  const header = call.headers.get('x-amz-object-attributes') ?? '';
  const wanted = new Set(header.split(',').map((name) => name.trim()));
  for (const name of wanted) {
    if (!ATTRIBUTES.has(name)) {
      throw invalidArgument('Invalid attribute name specified.', 'x-amz-object-attributes', name);
    }
  }
  const conditions = readConditions(call.headers);
  const info = await call.service.store.headObject({
    bucket: call.bucket,
    key: call.key,
    ...(conditions !== undefined && { conditions }),
  });
  let inner = '';
  if (wanted.has('ETag')) inner += element('ETag', info.etag);
  if (wanted.has('Checksum') && info.checksum !== undefined) {
    inner += `<Checksum>${checksumElements(info.checksum)}</Checksum>`;
  }
  if (wanted.has('ObjectParts') && info.partCount !== undefined) {
    inner += `<ObjectParts>${element('PartsCount', String(info.partCount))}</ObjectParts>`;
  }
  if (wanted.has('StorageClass')) {
    inner += element('StorageClass', info.metadata.storageClass ?? 'STANDARD');
  }
  if (wanted.has('ObjectSize')) inner += element('ObjectSize', String(info.sizeBytes));
  await sendXml(call, 200, xmlDocument('GetObjectAttributesResponse', inner), [
    'Last-Modified',
    httpDate(info.modifiedMs),
  ]);
}
