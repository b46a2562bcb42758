import type { CopyObjectResult, ObjectEncryption } from '@holdfast/objects';
import { newObjectAccess } from '../access/new-object-access.ts';
import { requireSource, sourceTags } from '../access/require-source.ts';
import type { HeaderList } from '../answer.ts';
import { checksumElements, readChecksumAlgorithm } from '../checksum-headers.ts';
import { readConditions, readWriteConditions } from '../conditional-headers.ts';
import { readCopySource } from '../copy-source.ts';
import { sourceKeyField } from '../encryption/customer-key.ts';
import { encryptionField, encryptionHeaders } from '../encryption/encryption-headers.ts';
import { isoDate } from '../http-date.ts';
import { expirationHeaders } from '../lifecycle/lifecycle-headers.ts';
import {
  readMetadata,
  readOwn,
  refuseUnsupportedHeaders,
  versionHeaders,
} from '../object-metadata.ts';
import { readTaggingHeader } from '../object-tags.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';
import { sendSlowXml } from '../slow-answer.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: AWS API reference, "CopyObject". */
export async function copyObject(call: S3Call): Promise<void> {
  refuseUnsupportedHeaders(call);
  const source = readCopySource(call);
  const replace = readDirective(call, 'x-amz-metadata-directive') === 'REPLACE';
  const retag = readDirective(call, 'x-amz-tagging-directive') === 'REPLACE';
  const sourceConditions = readConditions(call, 'x-amz-copy-source-');
  const conditions = readWriteConditions(call);
  const checksumAlgorithm = readChecksumAlgorithm(call);
  const access = newObjectAccess(call, call.openBucket);
  const encryption = { ...encryptionField(call), ...sourceKeyField(call) };
  const from = await requireSource(call, source);
  const tags = retag
    ? { tagging: readTaggingHeader(call) ?? '' }
    : await sourceTags(call, from, source, call.key);
  const copied = call.store.copyObject({
    bucket: call.bucket,
    key: call.key,
    source,
    access,
    ...encryption,
    own: readOwn(call),
    ...tags,
    ...(replace && { metadata: readMetadata(call) }),
    ...(sourceConditions !== undefined && { sourceConditions }),
    ...(conditions !== undefined && { conditions }),
    ...(checksumAlgorithm !== undefined && { checksumAlgorithm }),
  });
  await sendSlowXml(call, copied, resultDocument, (result) => [
    ...copyHeaders(call, result),
    ...expirationHeaders(call, result),
  ]);
}

function resultDocument(result: CopyObjectResult): string {
  const inner =
    element('LastModified', isoDate(result.modifiedMs)) +
    element('ETag', `"${result.etag}"`) +
    checksumElements(result.checksum);
  return xmlDocument('CopyObjectResult', inner);
}

/** The versions that were made and read, and how the copy is encrypted. */
export function copyHeaders(
  call: S3Call,
  result: {
    readonly versionId?: string | undefined;
    readonly sourceVersionId?: string;
    readonly encryption?: ObjectEncryption | undefined;
  },
): HeaderList {
  const { sourceVersionId } = result;
  const source =
    sourceVersionId === undefined ? [] : ['x-amz-copy-source-version-id', sourceVersionId];
  return [...versionHeaders(result), ...source, ...encryptionHeaders(call, result)];
}

function readDirective(call: S3Call, name: string): 'COPY' | 'REPLACE' {
  const value = call.headers.get(name) ?? 'COPY';
  if (value === 'COPY' || value === 'REPLACE') return value;
  throw invalidArgument('Unknown metadata directive.', name, value);
}
