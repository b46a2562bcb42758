import { conditionHolds, variablesOf } from './conditions.ts';
import { type FindVariable, matchesPattern } from './pattern.ts';
import type { Policy, PolicyRequest, Principal, PrincipalPattern, Statement } from './policy.ts';

/**
 * What policies say together. `allow`: a statement that names the principal, or everyone, allows it. `delegate`: only
 * statements that name its account do, so a user of that account still needs a policy of its own. `deny`
 * overrules both; `silent`: nothing applies.
 */
export type Verdict = 'allow' | 'delegate' | 'deny' | 'silent';

/**
 * Evaluates policies for one request. Pure: the same policies and request always give the same verdict.
 *
 * Source: IAM user guide, "Policy evaluation logic".
 */
export function evaluatePolicies(policies: readonly Policy[], request: PolicyRequest): Verdict {
  let verdict: Verdict = 'silent';
  for (const { statements, hasVariables } of policies) {
    const variables = hasVariables ? variablesOf(request) : undefined;
    for (const statement of statements) {
      const applied = apply(statement, request, variables);
      if (applied === 'deny') return 'deny';
      if (applied === 'allow' || verdict === 'silent') verdict = applied;
    }
  }
  return verdict;
}

function apply(
  statement: Statement,
  request: PolicyRequest,
  variables: FindVariable | undefined,
): Verdict {
  const named = matchPrincipals(statement, request.principal);
  if (named === 'no') return 'silent';
  const { actions, resources } = statement;
  const action = request.action.toLowerCase();
  if (actions.items.some((pattern) => matchesPattern(pattern, action)) === actions.not) {
    return 'silent';
  }
  const covered = resources.items.some((pattern) =>
    matchesPattern(pattern, request.resource, variables),
  );
  if (covered === resources.not) return 'silent';
  if (!statement.conditions.every((condition) => conditionHolds(condition, request, variables))) {
    return 'silent';
  }
  if (statement.effect === 'Deny') return 'deny';
  return named === 'account' ? 'delegate' : 'allow';
}

type Named = 'directly' | 'account' | 'no';

function matchPrincipals({ principals }: Statement, principal: Principal | undefined): Named {
  if (principals === undefined) return 'directly';
  const matches = principals.items.map((pattern) => matchPrincipal(pattern, principal));
  // Who is only of an account that is named is not named: `NotPrincipal` of the root denies its users.
  if (principals.not) return matches.includes('directly') ? 'no' : 'directly';
  if (matches.includes('directly')) return 'directly';
  return matches.includes('account') ? 'account' : 'no';
}

function matchPrincipal(pattern: PrincipalPattern, principal: Principal | undefined): Named {
  if (pattern.kind === 'everyone') return 'directly';
  if (principal === undefined || pattern.kind === 'nobody') return 'no';
  if (pattern.kind === 'account') {
    if (pattern.accountId !== principal.accountId) return 'no';
    return principal.root ? 'directly' : 'account';
  }
  const sameAccount = pattern.accountId === '' || pattern.accountId === principal.accountId;
  // On AWS a path before the name of a user is no part of the name; here a name may have slashes itself.
  const names = [pattern.name, pattern.name.replace(/^.*\//, '')];
  return sameAccount && names.includes(principal.name) ? 'directly' : 'no';
}
