import { S3Error } from '../s3-error.ts';
import { shownValue } from '../secret-headers.ts';

/** A condition of a form's policy on one field. */
export interface FieldCondition {
  readonly operator: 'eq' | 'starts-with';
  /** Lower-case. */
  readonly field: string;
  readonly value: string;
}

/** A condition that names no field, or a range of what is no number: it can be read, and never holds. */
type EmptyCondition = readonly [string, string, string];

/** Bytes that a file may have, both ends included. */
interface SizeRange {
  readonly minimum: number;
  readonly maximum: number;
}

/** The policy document that a form was signed with. */
export interface FormPolicy {
  readonly expirationMs: number;
  readonly conditions: readonly FieldCondition[];
  /** What is in all ranges that it has. */
  readonly sizeRange: SizeRange | undefined;
  /** The first condition that no form fulfils. */
  readonly empty: EmptyCondition | undefined;
}

/** Fields that no condition need name: they sign the policy, are the file, or are said to be ignored. */
const FREE_FIELDS =
  /^(policy|awsaccesskeyid|signature|x-amz-signature|file|x-ignore-.*|x-amz-checksum-.*|x-amz-sdk-checksum-algorithm)$/;

/**
 * Parses the decoded policy of a form.
 *
 * Source: AWS API reference, "POST Policy".
 *
 * @throws S3Error InvalidPolicyDocument
 */
export function parseFormPolicy(text: string): FormPolicy {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw invalid('Invalid JSON.');
  }
  if (typeof document !== 'object' || document === null) throw invalid('Invalid JSON.');
  const { expiration, conditions } = document as Readonly<Record<string, unknown>>;
  if (typeof expiration !== 'string') throw invalid('Policy missing expiration.');
  const expirationMs = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(expiration)
    ? Date.parse(expiration)
    : Number.NaN;
  if (Number.isNaN(expirationMs)) throw invalid(`Invalid 'expiration' value: '${expiration}'`);
  if (!Array.isArray(conditions)) throw invalid('Policy missing conditions.');
  const fields: FieldCondition[] = [];
  let sizeRange: FormPolicy['sizeRange'];
  let empty: FormPolicy['empty'];
  for (const condition of conditions as readonly unknown[]) {
    if (isEmpty(condition)) {
      empty ??= condition;
    } else if (Array.isArray(condition) && lower(condition[0]) === 'content-length-range') {
      sizeRange = narrowed(sizeRange, readSizeRange(condition));
    } else {
      fields.push(...readCondition(condition));
    }
  }
  return { expirationMs, conditions: fields, sizeRange, empty };
}

function isEmpty(condition: unknown): condition is EmptyCondition {
  if (!Array.isArray(condition) || condition.length !== 3) return false;
  const texts = condition.every((part) => typeof part === 'string');
  if (!texts) return false;
  const [operator, field, value] = condition as readonly string[];
  if (lower(operator) === 'content-length-range') {
    return [field, value].some((number) => !/^-?\d+$/.test(number ?? ''));
  }
  return ['eq', 'starts-with'].includes(lower(operator)) && field?.startsWith('$') === false;
}

/** All conditions of a policy must hold, so the range is what is in all of them. */
function narrowed(before: FormPolicy['sizeRange'], range: SizeRange): SizeRange {
  if (before === undefined) return range;
  return {
    minimum: Math.max(before.minimum, range.minimum),
    maximum: Math.min(before.maximum, range.maximum),
  };
}

function readSizeRange(condition: readonly unknown[]): SizeRange {
  const [minimum, maximum] = condition.slice(1).map((value) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0
      ? number
      : undefined;
  });
  if (condition.length !== 3 || minimum === undefined || maximum === undefined) {
    throw invalid('Invalid Simple-Condition: content-length-range needs two numbers.');
  }
  return { minimum, maximum };
}

function readCondition(condition: unknown): FieldCondition[] {
  if (Array.isArray(condition)) {
    const [operator, field, value] = condition as readonly unknown[];
    const known = lower(operator);
    if (known !== 'eq' && known !== 'starts-with') throw invalid('Invalid Condition.');
    if (condition.length !== 3) throw invalid(`Invalid ${known}: wrong number of arguments.`);
    if (typeof field !== 'string' || !field.startsWith('$') || typeof value !== 'string') {
      throw invalid('Invalid Condition.');
    }
    return [{ operator: known, field: field.slice(1).toLowerCase(), value }];
  }
  if (typeof condition !== 'object' || condition === null) throw invalid('Invalid Condition.');
  const entries = Object.entries(condition);
  if (entries.length !== 1) {
    throw invalid(
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    );
  }
  return entries.map(([field, value]) => {
    if (typeof value !== 'string') throw invalid('Invalid Condition.');
    return { operator: 'eq', field: field.toLowerCase(), value };
  });
}

/**
 * Holds the fields of a form, by lower-case name and with `bucket` among them, against its policy. That must name the
 * bucket too, so that a form which was signed for one cannot be sent to another.
 *
 * @throws S3Error AccessDenied
 */
export function checkFormPolicy(
  policy: FormPolicy,
  fields: ReadonlyMap<string, string>,
  nowMs: number,
): void {
  if (nowMs > policy.expirationMs) throw refuse('Policy expired.');
  const named = new Set<string>();
  for (const { operator, field, value } of policy.conditions) {
    named.add(field);
    const given = fields.get(field) ?? '';
    const holds = operator === 'eq' ? given === value : startsWith(field, given, value);
    if (!holds) {
      const shown = [operator, `$${field}`, shownValue(field, value)];
      throw refuse(`Policy Condition failed: ${conditionText(shown)}`);
    }
  }
  if (policy.empty !== undefined) {
    const [operator, field, value] = policy.empty;
    const shown = [operator, field, shownValue(field.toLowerCase(), value)];
    throw refuse(`Policy Condition failed: ${conditionText(shown)}`);
  }
  for (const field of fields.keys()) {
    if (named.has(field) || FREE_FIELDS.test(field)) continue;
    throw refuse(`Extra input fields: ${field}`);
  }
}

function conditionText(parts: readonly string[]): string {
  return `[${parts.map((part) => `"${part}"`).join(', ')}]`;
}

/** Content-Type may be a list, each member of which must begin so. */
function startsWith(field: string, given: string, start: string): boolean {
  if (field !== 'content-type') return given.startsWith(start);
  return given.split(',').every((type) => type.trim().startsWith(start));
}

function lower(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

function invalid(reason: string): S3Error {
  return new S3Error('InvalidPolicyDocument', `Invalid Policy: ${reason}`);
}

function refuse(reason: string): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${reason}`);
}
