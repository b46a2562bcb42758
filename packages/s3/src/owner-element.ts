import type { S3Call } from './s3-call.ts';
import { element } from './xml-writer.ts';

/**
 * The `<Owner>` of an object, or of an upload, that says whose it is; undefined for the bucket's owner. Where ACLs are off
 * everything is the bucket owner's, whatever was written before.
 */
export function objectOwnerElement(call: S3Call, id: string | undefined): string {
  const { bucket, access } = call.openBucket;
  const own = access.ownership === 'BucketOwnerEnforced' ? undefined : id;
  return ownerElement(call, own ?? bucket.ownerId);
}

/** `<Owner>`, or `<Initiator>`: an account by its canonical id, and its name where it is known. */
export function ownerElement(
  call: S3Call,
  id: string,
  name: 'Owner' | 'Initiator' = 'Owner',
): string {
  const displayName = call.service.identities.findAccount(id)?.displayName ?? '';
  return `<${name}>${element('ID', id)}${element('DisplayName', displayName)}</${name}>`;
}
