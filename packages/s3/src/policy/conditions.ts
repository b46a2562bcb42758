import { inIpRange } from './ip-range.ts';
import { expandVariables, type FindVariable, matchesArn, matchesPattern } from './pattern.ts';
import type { PolicyCondition, PolicyRequest } from './policy.ts';

/** Whether a value of the policy and one of the request go together. */
type Compare = (wanted: string, found: string, variables: FindVariable | undefined) => boolean;

/** Operators that say what must be. Those that say what must not be are in `NEGATIONS`. */
const COMPARISONS: ReadonlyMap<string, Compare> = new Map<string, Compare>([
  ['StringEquals', plain((wanted, found) => wanted === found)],
  ['StringEqualsIgnoreCase', plain(sameIgnoringCase)],
  ['StringLike', matchesPattern],
  ['BinaryEquals', plain((wanted, found) => wanted === found)],
  ['Bool', plain(sameIgnoringCase)],
  ['IpAddress', plain(inIpRange)],
  ['ArnEquals', matchesArn],
  ['ArnLike', matchesArn],
  ...ordered('Numeric', (text) => (text.trim() === '' ? Number.NaN : Number(text))),
  ...ordered('Date', readDate),
]);

const NEGATIONS: ReadonlyMap<string, string> = new Map([
  ['StringNotEquals', 'StringEquals'],
  ['StringNotEqualsIgnoreCase', 'StringEqualsIgnoreCase'],
  ['StringNotLike', 'StringLike'],
  ['NumericNotEquals', 'NumericEquals'],
  ['DateNotEquals', 'DateEquals'],
  ['NotIpAddress', 'IpAddress'],
  ['ArnNotEquals', 'ArnEquals'],
  ['ArnNotLike', 'ArnLike'],
]);

/**
 * Whether a condition holds for a request. A key that the request does not have fails what must be, and passes what
 * must not be, as `…IfExists` passes; `ForAllValues` passes with no value, `ForAnyValue` fails.
 *
 * Source: IAM user guide, "IAM JSON policy elements: Condition operators", "Multivalued context keys".
 */
export function conditionHolds(
  condition: PolicyCondition,
  request: PolicyRequest,
  variables: FindVariable | undefined,
): boolean {
  const { operator, quantifier, values } = condition;
  const found = request.context(condition.key);
  if (operator === 'Null') {
    return values.some((value) => (value.toLowerCase() === 'true') === (found === undefined));
  }
  const positive = NEGATIONS.get(operator);
  if (found === undefined || (found.length === 0 && quantifier === 'all')) {
    if (condition.ifExists || quantifier === 'all') return true;
    return quantifier === 'none' && positive !== undefined;
  }
  const compare = COMPARISONS.get(positive ?? operator);
  if (compare === undefined) return false;
  const matches = (value: string): boolean =>
    values.some((wanted) => compare(wanted, value, variables)) === (positive === undefined);
  if (quantifier === 'any') return found.some(matches);
  if (quantifier === 'all' || positive !== undefined) return found.every(matches);
  return found.some(matches);
}

/** Variables in a policy are condition keys with one value. */
export function variablesOf(request: PolicyRequest): FindVariable {
  return (name) => {
    const values = request.context(name);
    return values?.length === 1 ? values[0] : undefined;
  };
}

/** A comparison without wildcards: a variable that has no value goes with nothing. */
function plain(holds: (wanted: string, found: string) => boolean): Compare {
  return (wanted, found, variables) => {
    const expanded = expandVariables(wanted, variables);
    return expanded !== undefined && holds(expanded, found);
  };
}

function sameIgnoringCase(wanted: string, found: string): boolean {
  return wanted.toLowerCase() === found.toLowerCase();
}

function ordered(name: string, read: (text: string) => number): [string, Compare][] {
  const compare = (holds: (wanted: number, found: number) => boolean): Compare =>
    plain((wanted, found) => holds(read(wanted), read(found)));
  return [
    [`${name}Equals`, compare((wanted, found) => found === wanted)],
    [`${name}LessThan`, compare((wanted, found) => found < wanted)],
    [`${name}LessThanEquals`, compare((wanted, found) => found <= wanted)],
    [`${name}GreaterThan`, compare((wanted, found) => found > wanted)],
    [`${name}GreaterThanEquals`, compare((wanted, found) => found >= wanted)],
  ];
}

/** ISO 8601, or seconds since 1970. */
function readDate(text: string): number {
  return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}
