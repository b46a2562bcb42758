import { timingSafeEqual } from 'node:crypto';

/** Whether two signatures are the same, in a time that does not depend on where they differ. */
export function sameText(expected: string, given: string): boolean {
  // The length of a right signature is no secret.
  if (given.length !== expected.length) return false;
  return timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1'));
}
