import type { ObjectOwnership } from './bucket-access.ts';

const OWNERSHIPS: readonly ObjectOwnership[] = [
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
];

/** One of S3's three words for it; undefined for any other. */
export function readOwnership(text: string): ObjectOwnership | undefined {
  return OWNERSHIPS.find((ownership) => ownership === text);
}
