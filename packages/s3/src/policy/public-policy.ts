import { isBroadRange } from './ip-range.ts';
import type { Policy, PolicyCondition, Statement } from './policy.ts';

/** Keys whose fixed values narrow a statement for everyone down to somebody. */
const NARROWING_KEYS: ReadonlySet<string> = new Set([
  'aws:sourceip',
  'aws:sourcearn',
  'aws:sourceaccount',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:principalorgid',
  'aws:principalaccount',
  'aws:userid',
  'aws:username',
]);

const NARROWING_OPERATORS: ReadonlySet<string> = new Set([
  'StringEquals',
  'StringEqualsIgnoreCase',
  'StringLike',
  'ArnEquals',
  'ArnLike',
  'IpAddress',
]);

/**
 * Whether a bucket policy lets in people whom nobody can name.
 *
 * Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".
 */
export function isPublicPolicy({ statements }: Policy): boolean {
  return statements.some(isPublicStatement);
}

function isPublicStatement({ effect, principals, conditions }: Statement): boolean {
  if (effect !== 'Allow' || principals === undefined) return false;
  const everyone = principals.items.some(({ kind }) => kind === 'everyone');
  return everyone && !conditions.some(narrows);
}

function narrows({ operator, ifExists, quantifier, key, values }: PolicyCondition): boolean {
  // Why not with these: they hold where the key is not there.
  if (ifExists || quantifier === 'all') return false;
  if (!NARROWING_OPERATORS.has(operator) || !NARROWING_KEYS.has(key.toLowerCase())) return false;
  const wide = operator === 'IpAddress' ? isBroadRange : isAnybody;
  return !values.some(wide);
}

/** `anonymous` is the `aws:userid`, and the account, of everybody who did not sign. */
function isAnybody(value: string): boolean {
  return /[*?]|\$\{|^anonymous$/i.test(value);
}
