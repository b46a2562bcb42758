import { sendXml } from '../answer.ts';
import { bucketArn } from '../bucket-arn.ts';
import { decodeToken, encodeToken } from '../continuation-token.ts';
import { isoDate } from '../http-date.ts';
import { readCount } from '../list-parameters.ts';
import { ownerElement } from '../owner-element.ts';
import type { S3Call } from '../s3-call.ts';
import { element, optionalElement, xmlDocument } from '../xml-writer.ts';

const MAX_BUCKETS = 10_000;

/** Source: AWS API reference, "ListBuckets". */
export async function listBuckets(call: S3Call): Promise<void> {
  const prefix = call.parameter('prefix');
  const limit = readCount(call, 'max-buckets', MAX_BUCKETS, { minimum: 1 });
  const token = call.parameter('continuation-token');
  const ownerId = call.requester.account.id;
  const page = await call.store.listBuckets({
    limit,
    ownerId,
    ...(prefix !== undefined && { prefix }),
    // As in a listing of objects: an empty token begins at the beginning.
    ...(token && { after: decodeToken(token).after }),
  });
  let buckets = '';
  for (const bucket of page.buckets) {
    buckets += `<Bucket>${element('Name', bucket.name)}${element('CreationDate', isoDate(bucket.createdMs))}${element('BucketRegion', bucket.region)}${element('BucketArn', bucketArn(bucket.name))}</Bucket>`;
  }
  const last = page.buckets.at(-1);
  const inner =
    ownerElement(call, ownerId) +
    `<Buckets>${buckets}</Buckets>` +
    optionalElement('Prefix', prefix) +
    (page.more && last !== undefined
      ? element('ContinuationToken', encodeToken({ after: last.name }))
      : '');
  await sendXml(call, 200, xmlDocument('ListAllMyBucketsResult', inner));
}
