import type { S3Call } from './s3-call.ts';
import { element } from './xml-writer.ts';

/** `<Owner>`, or `<Initiator>`: there is one account, so both are always the same. */
export function ownerElement(call: S3Call, name: 'Owner' | 'Initiator' = 'Owner'): string {
  const { ownerId, ownerDisplayName } = call.service;
  return `<${name}>${element('ID', ownerId)}${element('DisplayName', ownerDisplayName)}</${name}>`;
}
