export { checkPolicy, checkStatements } from './check-policy.ts';
export type { Verdict } from './evaluate-policy.ts';
export { evaluatePolicies } from './evaluate-policy.ts';
export { parseBucketPolicy, parseUserPolicy } from './parse-policy.ts';
export type { Policy, PolicyRequest, Principal } from './policy.ts';
export { PolicyError } from './policy-error.ts';
export { isPublicPolicy } from './public-policy.ts';
export { repeatedName } from './repeated-name.ts';
