import { checkActions, checkKinds } from './actions.ts';
import { checkConditionKeys } from './condition-keys.ts';
import type { Policy, PolicyCondition, PrincipalPattern } from './policy.ts';
import { eachStatement, PolicyError } from './policy-error.ts';
import { repeatedName } from './repeated-name.ts';

/** What the values of an operator are, by how its name begins; those of the others are any text. */
const VALUES: readonly (readonly [RegExp, RegExp])[] = [
  [/^Numeric/, /^[+-]?\d+(\.\d+)?$/],
  // Source: W3C, "Date and Time Formats", as the IAM user guide names it; or seconds since 1970.
  [/^Date/, /^(\d+|\d{4}-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)$/],
  [/^(Bool|Null)$/, /^(true|false)$/i],
  [/IpAddress$/, /^[^$]*$/],
  // Six parts, unless a variable stands for some of them.
  [/^Arn/, /^([^:]*:){5}|\$\{/],
];

/**
 * What is asked of the policy of a bucket when it is put, beside that it can be read: that it means what it says. Not
 * asked of one that is stored, so that no policy of an earlier version of Holdfast locks its bucket.
 *
 * @throws PolicyError for a name that is there twice in one object, unless `takesOtherKinds` an action of objects on a bucket
 * alone and one of buckets on objects alone, and as `checkStatements`
 */
export function checkPolicy(text: string, policy: Policy, takesOtherKinds = false): void {
  if (repeatedName(text) !== undefined) throw new PolicyError('This policy contains invalid Json');
  checkStatements(policy);
  if (!takesOtherKinds) eachStatement(policy.statements, checkKinds);
}

/**
 * The part of `checkPolicy` that needs no text: also for the policy of a user.
 *
 * @throws PolicyError for an action or a condition key that there is not, a principal with a wildcard in it, a resource
 * that no object has, and a value that its operator compares with nothing
 */
export function checkStatements({ statements }: Policy): void {
  eachStatement(statements, (statement) => {
    checkActions(statement);
    checkConditionKeys(statement);
    const { principals, resources, conditions } = statement;
    principals?.items.forEach(checkPrincipal);
    resources.items.forEach(checkResource);
    conditions.forEach(checkValues);
  });
}

/** Why: it would be compared as it is written, so that a denial spares everybody. */
function checkPrincipal(principal: PrincipalPattern): void {
  if (principal.kind !== 'account' && principal.kind !== 'user') return;
  const name = principal.kind === 'user' ? principal.name : '';
  if (/[*?]/.test(principal.accountId + name)) {
    throw new PolicyError('Invalid principal in policy');
  }
}

/** Buckets have neither region nor account in their names, and are of the partition `aws`. */
function checkResource(resource: string): void {
  if (resource === '*' || /^arn:aws:s3:\**:\**:/.test(resource)) return;
  throw new PolicyError('Policy has invalid resource');
}

function checkValues({ operator, values }: PolicyCondition): void {
  for (const [operators, form] of VALUES) {
    if (operators.test(operator) && !values.every((value) => form.test(value))) {
      throw new PolicyError('Invalid policy syntax.');
    }
  }
}
