import type { S3Call } from './s3-call.ts';
import { element } from './xml-writer.ts';

/** `<Owner>`, or `<Initiator>`: an account by its canonical id, and its name where it is known. */
export function ownerElement(
  call: S3Call,
  id: string,
  name: 'Owner' | 'Initiator' = 'Owner',
): string {
  const displayName = call.service.identities.findAccount(id)?.displayName ?? '';
  return `<${name}>${element('ID', id)}${element('DisplayName', displayName)}</${name}>`;
}
