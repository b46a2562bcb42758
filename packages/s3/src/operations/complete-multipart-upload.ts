import type { CompleteMultipartUploadRequest, ObjectInfo } from '@holdfast/objects';
import {
  CHECKSUM_ALGORITHMS,
  checksumElementName,
  checksumElements,
  readChecksumValue,
} from '../checksum-headers.ts';
import { readWriteConditions, unquoteETag } from '../conditional-headers.ts';
import { customerKeyField } from '../encryption/customer-key.ts';
import { encryptionHeaders } from '../encryption/encryption-headers.ts';
import { expirationHeaders } from '../lifecycle/lifecycle-headers.ts';
import { objectAddress } from '../object-address.ts';
import { newVersionHeaders } from '../object-metadata.ts';
import { MAX_PARTS } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';
import { invalidArgument } from '../s3-error.ts';
import { sendSlowXml } from '../slow-answer.ts';
import { readUploadAddress } from '../upload-address.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren, malformed, type XmlElement } from '../xml-reader.ts';
import { element, xmlDocument } from '../xml-writer.ts';

type CompletedPart = CompleteMultipartUploadRequest['parts'][number];

/** Source: AWS API reference, "CompleteMultipartUpload". */
export async function completeMultipartUpload(call: S3Call): Promise<void> {
  const address = readUploadAddress(call);
  const conditions = readWriteConditions(call);
  const sizeBytes = readObjectSize(call);
  const key = customerKeyField(call);
  const root = await readXmlBody(call, {
    root: 'CompleteMultipartUpload',
    limitBytes: call.service.limits.completeXmlSizeBytes,
    maxTags: MAX_PARTS * 20,
    // The checksum headers are the object's here, not the document's.
    ignoreChecksums: true,
  });
  const parts = root === undefined ? [] : readParts(root);
  const checksum = readChecksumValue(call);
  const completed = call.store.completeMultipartUpload({
    ...address,
    parts,
    ...key,
    ...(call.service.answersAsCeph && { asCeph: true }),
    ...(conditions !== undefined && { conditions }),
    ...(checksum !== undefined && { checksum }),
    ...(sizeBytes !== undefined && { sizeBytes }),
  });
  await sendSlowXml(
    call,
    completed,
    (info) => resultDocument(call, info),
    (info) => [
      ...newVersionHeaders(info),
      ...encryptionHeaders(call, info),
      ...expirationHeaders(call, { ...info, tagging: info.metadata.tagging }),
    ],
  );
}

function readParts(root: XmlElement): readonly CompletedPart[] {
  const parts = checkChildren(root, { Part: 'many' }).all('Part').map(readPart);
  if (parts.length === 0 || parts.length > MAX_PARTS) throw malformed();
  return parts;
}

function readObjectSize(call: S3Call): number | undefined {
  const value = call.headers.get('x-amz-mp-object-size');
  if (value === undefined) return undefined;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw invalidArgument('The object size must be a number', 'x-amz-mp-object-size', value);
}

const OPTIONAL_CHECKSUMS = Object.fromEntries(
  CHECKSUM_ALGORITHMS.map((algorithm) => [checksumElementName(algorithm), 'optional' as const]),
);

function readPart(part: XmlElement): CompletedPart {
  const children = checkChildren(part, {
    PartNumber: 'one',
    ETag: 'one',
    ...OPTIONAL_CHECKSUMS,
  });
  const number = children.text('PartNumber')?.trim() ?? '';
  if (!/^\d{1,5}$/.test(number)) throw malformed();
  const partNumber = Number(number);
  if (partNumber < 1 || partNumber > MAX_PARTS) {
    throw invalidArgument(
      `PartNumber must be an integer between 1 and ${MAX_PARTS}, inclusive`,
      'partNumber',
      number,
    );
  }
  const etag = unquoteETag(children.text('ETag') ?? '');
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = children.text(checksumElementName(algorithm));
    if (value !== undefined) return { partNumber, etag, checksum: { algorithm, value } };
  }
  return { partNumber, etag };
}

function resultDocument(call: S3Call, info: ObjectInfo): string {
  return xmlDocument(
    'CompleteMultipartUploadResult',
    element('Location', objectAddress(call, info.bucket, info.key)) +
      element('Bucket', info.bucket) +
      element('Key', info.key) +
      element('ETag', `"${info.etag}"`) +
      checksumElements(info.checksum),
  );
}
