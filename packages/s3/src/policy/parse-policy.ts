import { isIpRange } from './ip-range.ts';
import {
  CONDITION_OPERATORS,
  type Policy,
  type PolicyCondition,
  type PrincipalPattern,
  type Selection,
  type Statement,
} from './policy.ts';
import { eachStatement, PolicyError } from './policy-error.ts';

type Json = Readonly<Record<string, unknown>>;

const POLICY_FIELDS = ['Version', 'Id', 'Statement'];
const STATEMENT_FIELDS = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
];
const VERSIONS = ['2012-10-17', '2008-10-17'];
const RESOURCE = /^arn:aws[a-z-]*:s3:[^:]*:[^:]*:(.+)$/;
const USER_ARN = /^arn:aws[a-z-]*:(?:iam|sts)::([^:]*):(root|user\/(.+))$/;

/**
 * Parses the policy of a bucket: principals are required, and resources must lie in the bucket.
 *
 * Source: Amazon S3 User Guide, "Bucket policies"; the messages are those of S3.
 *
 * @throws PolicyError
 */
export function parseBucketPolicy(text: string, bucket: string): Policy {
  const policy = parse(text, 'bucket');
  for (const { resources } of policy.statements) {
    for (const item of resources.items) {
      const path = RESOURCE.exec(item)?.[1] ?? '';
      const named = path.split('/', 1)[0] ?? '';
      // A pattern may stand for more than this bucket: the policy is asked about this one only.
      if (named !== bucket && !/[*?]/.test(named)) throw refuse('Policy has invalid resource');
    }
  }
  return policy;
}

/**
 * Parses the policy of a user: it has no principal, for the user is that.
 *
 * @throws PolicyError
 */
export function parseUserPolicy(text: string): Policy {
  return parse(text, 'user');
}

type Place = 'bucket' | 'user';

function parse(text: string, place: Place): Policy {
  if (!text.startsWith('{')) throw notJson();
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw notJson();
  }
  const policy = asObject(document, POLICY_FIELDS);
  const version = policy['Version'];
  if (version !== undefined && !VERSIONS.some((known) => known === version)) {
    throw refuse('The policy must contain a valid version string');
  }
  const given = policy['Statement'];
  if (given === undefined) throw refuse('Missing required field Statement');
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0) throw refuse('Could not parse the policy: Statement is empty!');
  const statements = eachStatement(list, (statement) => readStatement(statement, place));
  return {
    statements,
    // Source: IAM user guide, "IAM JSON policy elements: Version": before 2012 there were none.
    hasVariables: version === '2012-10-17',
    readsTags: /s3:ExistingObjectTag/i.test(JSON.stringify(document)),
  };
}

function readStatement(value: unknown, place: Place): Statement {
  const statement = asObject(value, STATEMENT_FIELDS);
  const effect = statement['Effect'];
  if (effect === undefined) throw refuse('Missing required field Effect');
  if (effect !== 'Allow' && effect !== 'Deny') {
    throw refuse(
      `Invalid effect : ${typeof effect === 'string' ? effect : JSON.stringify(effect)}`,
    );
  }
  const principals = readPrincipals(statement, place);
  if (principals?.not === true && effect === 'Allow') {
    throw refuse('Allow with NotPrincipal is not allowed.');
  }
  const actions = select(statement, 'Action', readAction);
  const resources = select(statement, 'Resource', readResource);
  const conditions = readConditions(statement['Condition']);
  return { effect, ...(principals && { principals }), actions, resources, conditions };
}

/** The items of `Name` or of `NotName`; exactly one of the two must be there. */
function select(
  statement: Json,
  name: 'Action' | 'Resource',
  read: (text: string) => string,
): Selection<string> {
  const not = statement[name] === undefined;
  const value = statement[not ? `Not${name}` : name];
  if (value === undefined) throw refuse(`Missing required field ${name}`);
  if (!not && statement[`Not${name}`] !== undefined) {
    throw refuse(`Statement has both ${name} and Not${name}`);
  }
  return { not, items: texts(value).map(read) };
}

function readAction(text: string): string {
  const known = text === '*' || /^s3:[A-Za-z*?]+$/i.test(text);
  if (!known) throw refuse('Policy has invalid action');
  return text.toLowerCase();
}

function readResource(text: string): string {
  if (text !== '*' && !RESOURCE.test(text)) throw refuse('Policy has invalid resource');
  return text;
}

function readPrincipals(statement: Json, place: Place): Selection<PrincipalPattern> | undefined {
  const { Principal, NotPrincipal } = statement;
  if (place === 'user') {
    if (Principal === undefined && NotPrincipal === undefined) return undefined;
    throw refuse('Policy document should not specify a principal.');
  }
  if (Principal !== undefined && NotPrincipal !== undefined) throw invalidPrincipal();
  const value = Principal ?? NotPrincipal;
  if (value === undefined) throw refuse('Missing required field Principal');
  return { not: Principal === undefined, items: principalItems(value) };
}

function principalItems(value: unknown): PrincipalPattern[] {
  if (value === '*') return [{ kind: 'everyone' }];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidPrincipal();
  const items = Object.entries(value).flatMap(([type, given]) =>
    texts(given, invalidPrincipal).map((text) => readPrincipal(type, text)),
  );
  if (items.length === 0) throw invalidPrincipal();
  return items;
}

function readPrincipal(type: string, text: string): PrincipalPattern {
  if (type === 'Service' || type === 'Federated') return { kind: 'nobody' };
  if (type === 'CanonicalUser') return { kind: 'account', accountId: text };
  if (type !== 'AWS') throw invalidPrincipal();
  if (text === '*') return { kind: 'everyone' };
  const [, accountId = '', rest, name] = USER_ARN.exec(text) ?? [];
  if (rest === 'root') return { kind: 'account', accountId };
  if (name !== undefined) return { kind: 'user', accountId, name };
  if (text.includes(':') || text === '') throw invalidPrincipal();
  return { kind: 'account', accountId: text };
}

function readConditions(value: unknown): PolicyCondition[] {
  if (value === undefined) return [];
  const conditions: PolicyCondition[] = [];
  for (const [operator, keys] of Object.entries(asObject(value))) {
    for (const [key, values] of Object.entries(asObject(keys))) {
      if (!/^[A-Za-z0-9-]+:./.test(key)) throw refuse('Policy has an invalid condition key');
      conditions.push({
        ...readOperator(operator),
        key,
        values: conditionValues(operator, values),
      });
    }
  }
  return conditions;
}

function readOperator(text: string): Pick<PolicyCondition, 'operator' | 'quantifier' | 'ifExists'> {
  const [, prefix, name = ''] = /^(?:(ForAnyValue|ForAllValues):)?(.*)$/.exec(text) ?? [];
  const ifExists = name.endsWith('IfExists');
  const operator = ifExists ? name.slice(0, -'IfExists'.length) : name;
  const known = CONDITION_OPERATORS.has(operator) && !(ifExists && operator === 'Null');
  if (!known) throw refuse(`Invalid Condition type : ${text}`);
  const quantifier = prefix === undefined ? 'none' : prefix === 'ForAnyValue' ? 'any' : 'all';
  return { operator, quantifier, ifExists };
}

function conditionValues(operator: string, value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const values = list.map((item) => {
    if (!['string', 'number', 'boolean'].includes(typeof item)) {
      throw refuse('Invalid policy syntax.');
    }
    return String(item);
  });
  const address = operator.includes('IpAddress');
  if (address && !values.every((text) => text.includes('${') || isIpRange(text))) {
    throw refuse('Invalid policy syntax.');
  }
  return values;
}

function texts(value: unknown, error: () => PolicyError = invalidSyntax): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw error();
  return list.map((item) => {
    if (typeof item !== 'string') throw error();
    return item;
  });
}

function asObject(value: unknown, allowed?: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidSyntax();
  for (const name of Object.keys(value)) {
    if (allowed !== undefined && !allowed.includes(name)) throw refuse(`Unknown field ${name}`);
  }
  return value as Json;
}

function notJson(): PolicyError {
  return refuse("Policies must be valid JSON and the first byte must be '{'");
}

function invalidSyntax(): PolicyError {
  return refuse('Invalid policy syntax.');
}

function invalidPrincipal(): PolicyError {
  return refuse('Invalid principal in policy');
}

function refuse(message: string): PolicyError {
  return new PolicyError(message);
}
