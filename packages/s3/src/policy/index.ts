export { checkPolicy } from './check-policy.ts';
export type { Verdict } from './evaluate-policy.ts';
export { evaluatePolicies } from './evaluate-policy.ts';
export { PolicyError, parseBucketPolicy, parseUserPolicy } from './parse-policy.ts';
export type { Policy, PolicyRequest, Principal } from './policy.ts';
export { isPublicPolicy } from './public-policy.ts';
