/** How the objects of a bucket are encrypted that come without saying so themselves. */
import type { Bucket } from '@holdfast/objects';
import { S3Error } from '../s3-error.ts';
import { checkChildren, malformed, type XmlElement } from '../xml-reader.ts';
import { element, optionalElement, xmlDocument } from '../xml-writer.ts';

/** The setting of a bucket that holds a `BucketEncryption` as JSON. */
export const ENCRYPTION_SETTING = 'encryption';

const ROOT = 'ServerSideEncryptionConfiguration';

export interface BucketEncryption {
  /** undefined: objects are stored as they come. */
  readonly algorithm?: 'AES256' | 'aws:kms';
  /** With `aws:kms`; undefined for the default key. */
  readonly keyId?: string;
  readonly bucketKey?: boolean;
  /** Whether requests with a key of the customer's are refused; undefined where nothing was said. */
  readonly blocksCustomerKeys?: boolean;
}

/** What the bucket says; undefined where nothing was set. */
export function bucketEncryption(bucket: Bucket): BucketEncryption | undefined {
  const text = bucket.settings.get(ENCRYPTION_SETTING);
  return text === undefined ? undefined : (JSON.parse(text) as BucketEncryption);
}

/** Source: AWS API reference, "ServerSideEncryptionConfiguration". @throws S3Error */
export function readBucketEncryption(root: XmlElement): BucketEncryption {
  const rule = checkChildren(checkChildren(root, { Rule: 'one' }).one('Rule'), {
    ApplyServerSideEncryptionByDefault: 'optional',
    BucketKeyEnabled: 'optional',
    BlockedEncryptionTypes: 'optional',
  });
  const bucketKey = rule.text('BucketKeyEnabled');
  if (bucketKey !== undefined && bucketKey !== 'true' && bucketKey !== 'false') throw malformed();
  const [byDefault] = rule.all('ApplyServerSideEncryptionByDefault');
  const [blocked] = rule.all('BlockedEncryptionTypes');
  return {
    ...(byDefault && readDefault(byDefault)),
    ...(bucketKey !== undefined && { bucketKey: bucketKey === 'true' }),
    ...(blocked && { blocksCustomerKeys: readBlocked(blocked) }),
  };
}

function readDefault(byDefault: XmlElement): Pick<BucketEncryption, 'algorithm' | 'keyId'> {
  const children = checkChildren(byDefault, { SSEAlgorithm: 'one', KMSMasterKeyID: 'optional' });
  const algorithm = children.text('SSEAlgorithm');
  const keyId = children.text('KMSMasterKeyID');
  if (algorithm === 'aws:kms:dsse') throw noDoubleEncryption();
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms') throw malformed();
  if (algorithm === 'AES256' && keyId !== undefined) {
    throw new S3Error(
      'InvalidArgument',
      'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
      { ArgumentName: 'ApplyServerSideEncryptionByDefault' },
    );
  }
  return { algorithm, ...(keyId !== undefined && keyId !== '' && { keyId }) };
}

function readBlocked(blocked: XmlElement): boolean {
  const types = checkChildren(blocked, { EncryptionType: 'many' }).all('EncryptionType');
  const names = types.map(({ text }) => text);
  if (names.some((name) => name !== 'SSE-C' && name !== 'NONE')) throw malformed();
  return names.includes('SSE-C');
}

/** The document that `readBucketEncryption` read. */
export function bucketEncryptionDocument(encryption: BucketEncryption): string {
  const { algorithm, keyId, bucketKey, blocksCustomerKeys } = encryption;
  const byDefault =
    algorithm === undefined
      ? ''
      : `<ApplyServerSideEncryptionByDefault>${
          element('SSEAlgorithm', algorithm) + optionalElement('KMSMasterKeyID', keyId)
        }</ApplyServerSideEncryptionByDefault>`;
  const blocked =
    blocksCustomerKeys === undefined
      ? ''
      : `<BlockedEncryptionTypes>${element('EncryptionType', blocksCustomerKeys ? 'SSE-C' : 'NONE')}</BlockedEncryptionTypes>`;
  const key = element('BucketKeyEnabled', String(bucketKey ?? false));
  return xmlDocument(ROOT, `<Rule>${byDefault}${key}${blocked}</Rule>`);
}

/** NotImplemented, with the reason. */
export function noDoubleEncryption(): S3Error {
  return new S3Error(
    'NotImplemented',
    'Dual-layer encryption (aws:kms:dsse) is not available: a second layer under a key from the same file would protect nothing more. Use aws:kms.',
    { Header: 'x-amz-server-side-encryption' },
  );
}
