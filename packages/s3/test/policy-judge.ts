/**
 * Who may do what, as the IAM user guide says it ("Policy evaluation logic", "JSON policy elements reference", "Multivalued
 * context keys", "Variables and tags") and nothing else: over documents as they are, and without a line of what is tested.
 */

export type Document = Readonly<Record<string, unknown>>;
type Context = Readonly<Record<string, readonly string[]>>;

export interface Asker {
  readonly account: string;
  /** undefined for the account itself. */
  readonly user?: string;
  /** Of its own. */
  readonly policies: readonly Document[];
}

export interface Question {
  /** undefined where nobody signed. */
  readonly asker: Asker | undefined;
  readonly action: string;
  readonly resource: string;
  /** By names in lower case; but the part of a tag behind its slash is as it is. */
  readonly context: Context;
  readonly bucketAccount: string;
  readonly bucketPolicy: Document | undefined;
}

interface Found {
  denied: boolean;
  allowed: boolean;
  /** The account of who asks is allowed, and may pass it on. */
  delegated: boolean;
}

/** Whether it is allowed. */
export function judge(question: Question): boolean {
  const { asker, bucketPolicy, bucketAccount } = question;
  const ofBucket = read(bucketPolicy === undefined ? [] : [bucketPolicy], question, true);
  const own = read(asker?.policies ?? [], question, false);
  if (ofBucket.denied || own.denied) return false;
  if (asker === undefined) return ofBucket.allowed;
  const ownAllows = asker.user === undefined || own.allowed;
  if (asker.account === bucketAccount) return ownAllows || ofBucket.allowed;
  return ownAllows && (ofBucket.allowed || ofBucket.delegated);
}

function read(documents: readonly Document[], question: Question, withPrincipal: boolean): Found {
  const found: Found = { denied: false, allowed: false, delegated: false };
  for (const document of documents) {
    const variables = document['Version'] === '2012-10-17';
    for (const statement of list(document['Statement']) as Document[]) {
      const named = withPrincipal ? namedBy(statement, question.asker) : 'itself';
      if (named === 'no' || !applies(statement, question, variables)) continue;
      if (statement['Effect'] === 'Deny') found.denied = true;
      else if (named === 'itself') found.allowed = true;
      else found.delegated = true;
    }
  }
  return found;
}

function namedBy(statement: Document, asker: Asker | undefined): 'itself' | 'account' | 'no' {
  const not = statement['NotPrincipal'];
  if (not !== undefined) return nameOf(not, asker) === 'itself' ? 'no' : 'itself';
  return nameOf(statement['Principal'], asker);
}

function nameOf(principal: unknown, asker: Asker | undefined): 'itself' | 'account' | 'no' {
  const { AWS, CanonicalUser } = (principal === '*' ? { AWS: '*' } : principal) as Document;
  const names = [...list(AWS), ...list(CanonicalUser)] as string[];
  if (names.includes('*')) return 'itself';
  if (asker === undefined) return 'no';
  const { account, user } = asker;
  if (user !== undefined && names.includes(`arn:aws:iam::${account}:user/${user}`)) return 'itself';
  const whole = names.includes(account) || names.includes(`arn:aws:iam::${account}:root`);
  if (!whole) return 'no';
  return user === undefined ? 'itself' : 'account';
}

function applies(statement: Document, question: Question, variables: boolean): boolean {
  const { Action, NotAction, Resource, NotResource, Condition = {} } = statement;
  const { action, resource, context } = question;
  const actions = (list(Action ?? NotAction) as string[]).some((one) =>
    wildcard(one.toLowerCase(), undefined)?.test(action.toLowerCase()),
  );
  if (actions !== (NotAction === undefined)) return false;
  const resources = (list(Resource ?? NotResource) as string[]).some((one) =>
    wildcard(one, variables ? context : undefined)?.test(resource),
  );
  if (resources !== (NotResource === undefined)) return false;
  // All operators, and all keys of each.
  return Object.entries(Condition as Readonly<Record<string, Document>>).every(([operator, keys]) =>
    Object.entries(keys).every(([key, values]) =>
      holds(operator, { key, values: list(values).map(String) }, context, variables),
    ),
  );
}

function holds(
  full: string,
  { key, values }: { readonly key: string; readonly values: readonly string[] },
  context: Context,
  variables: boolean,
): boolean {
  const [, quantifier, name = '', ifExists] =
    /^(?:(ForAllValues|ForAnyValue):)?(.*?)(IfExists)?$/.exec(full) ?? [];
  const found = valuesOf(key, context);
  if (name === 'Null') {
    return values.some((value) => (value.toLowerCase() === 'true') === (found === undefined));
  }
  const negated = /Not/.test(name);
  if (found === undefined) {
    if (ifExists !== undefined || quantifier === 'ForAllValues') return true;
    return quantifier === undefined && negated;
  }
  const operator = name.replace('Not', '');
  const fits = (value: string): boolean => {
    const any = values.some((wanted) =>
      compare(operator, wanted, value, variables ? context : undefined),
    );
    return any !== negated;
  };
  if (quantifier === 'ForAnyValue') return found.some(fits);
  if (quantifier === 'ForAllValues' || negated) return found.every(fits);
  return found.some(fits);
}

function compare(
  operator: string,
  wanted: string,
  value: string,
  context: Context | undefined,
): boolean {
  if (operator.startsWith('Numeric')) return ordered(operator, Number(wanted), Number(value));
  if (operator.startsWith('Date')) return ordered(operator, time(wanted), time(value));
  switch (operator) {
    case 'Bool':
      return wanted.toLowerCase() === value.toLowerCase();
    case 'IpAddress':
      return inRange(wanted, value);
    case 'StringLike':
      return wildcard(wanted, context)?.test(value) === true;
    case 'ArnLike':
    case 'ArnEquals':
      return sameArn(wanted, value, context);
    case 'StringEquals':
      return filled(wanted, context) === value;
    case 'StringEqualsIgnoreCase':
      return filled(wanted, context)?.toLowerCase() === value.toLowerCase();
    default:
      throw new Error(`the judge does not know ${operator}`);
  }
}

function ordered(operator: string, wanted: number, value: number): boolean {
  if (operator.endsWith('LessThanEquals')) return value <= wanted;
  if (operator.endsWith('GreaterThanEquals')) return value >= wanted;
  if (operator.endsWith('LessThan')) return value < wanted;
  if (operator.endsWith('GreaterThan')) return value > wanted;
  return value === wanted;
}

const time = (text: string): number =>
  /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);

/** Of version 4. */
function inRange(range: string, address: string): boolean {
  const [base = '', length = '32'] = range.split('/');
  const number = (text: string): number =>
    text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(length));
  return Math.floor(number(base) / size) === Math.floor(number(address) / size);
}

/** Six parts between colons, each of them for itself; the last has what colons are left. */
function sameArn(wanted: string, value: string, context: Context | undefined): boolean {
  const parts = (text: string): readonly string[] => {
    const [, ...six] = /^([^:]*):([^:]*):([^:]*):([^:]*):([^:]*):([^]*)$/.exec(text) ?? [];
    return six;
  };
  // Variables first: there are colons in their names. What they stand for has no wildcards here.
  const written = pieces(wanted, context).map((piece) =>
    typeof piece === 'string' ? piece : piece.value,
  );
  if (written.includes(undefined)) return false;
  const own = parts(value);
  const asked = parts(written.join(''));
  if (own.length === 0 || asked.length === 0) return false;
  return asked.every((part, at) => wildcard(part, undefined)?.test(own[at] ?? ''));
}

/** The whole text is what the pattern says; undefined where a variable of it has no value. */
function wildcard(pattern: string, context: Context | undefined): RegExp | undefined {
  const parts = pieces(pattern, context).map((piece) => {
    if (typeof piece !== 'string') return piece.value && escaped(piece.value);
    return escaped(piece).replaceAll('\\*', '[^]*').replaceAll('\\?', '[^]');
  });
  return parts.includes(undefined) ? undefined : new RegExp(`^${parts.join('')}$`);
}

/** Without wildcards; undefined where a variable has no value. */
function filled(text: string, context: Context | undefined): string | undefined {
  const parts = pieces(text, context).map((piece) =>
    typeof piece === 'string' ? piece : piece.value,
  );
  return parts.includes(undefined) ? undefined : parts.join('');
}

/** Text as it is written, and what variables stand for. */
function pieces(
  text: string,
  context: Context | undefined,
): (string | { readonly value: string | undefined })[] {
  if (context === undefined) return [text];
  return text.split(/(\$\{[^}]*\})/).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const [name = '', otherwise] = piece.slice(2, -1).split(/, */);
    if (/^[*?$]$/.test(name)) return { value: name };
    const found = valuesOf(name, context);
    const known = found?.length === 1 ? found[0] : undefined;
    return { value: known ?? otherwise?.slice(1, -1) };
  });
}

/** Names of keys have no case, those of tags have. */
function valuesOf(key: string, context: Context): readonly string[] | undefined {
  const [name = '', tag] = key.split(/\/(.*)/);
  return context[tag === undefined ? name.toLowerCase() : `${name.toLowerCase()}/${tag}`];
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');

function list(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
