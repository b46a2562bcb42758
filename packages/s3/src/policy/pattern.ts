/** `*` and `?` of a pattern; everything else is a character that stands for itself. */
const ANY = 1;
const ONE = 2;
type Symbol = string | typeof ANY | typeof ONE;

/** `arn`, partition, service, region, account, resource. */
const ARN_PARTS = 6;

/** The value of a policy variable such as `aws:username`; undefined where the request has none. */
export type FindVariable = (name: string) => string | undefined;

/** `${name}`, or `${name, 'default'}`. Why no dollar in a name: else it is looked for to the end from each of them. */
const VARIABLE = /^\$\{([*?$]|[^$}]*?)(?:, *'([^']*)' *)?\}/;

/**
 * Whether a text matches a policy's pattern: `*` is any run of characters, `?` is one, `${name}` is a variable whose
 * value is taken literally, and `${name, 'default'}` one with a value for requests that have none. A variable without a
 * value matches nothing. Without `variables` there are none, and `$` is a character like others.
 *
 * Takes at most pattern length times text length steps, whatever the pattern.
 *
 * Source: IAM user guide, "IAM JSON policy elements: Resource" and "Variables and tags".
 */
export function matchesPattern(pattern: string, text: string, variables?: FindVariable): boolean {
  if (!/[*?$]/.test(pattern)) return pattern === text;
  const symbols = readPattern(pattern, variables);
  return symbols !== undefined && matchesSymbols(symbols, text);
}

/**
 * Whether an ARN matches a policy's pattern: each of their six parts for itself, as `matchesPattern` says it, so that a
 * wildcard stands for no colon, but for those of the last part. What has fewer parts is no ARN and matches nothing.
 *
 * Source: IAM user guide, "IAM JSON policy elements: Condition operators", "Amazon Resource Name (ARN) condition operators".
 */
export function matchesArn(pattern: string, text: string, variables?: FindVariable): boolean {
  const symbols = readPattern(pattern, variables);
  if (symbols === undefined) return false;
  const wanted = arnParts(symbols);
  const found = arnParts(text.split(''));
  if (wanted.length < ARN_PARTS || found.length < ARN_PARTS) return false;
  return wanted.every((part, at) => matchesSymbols(part, (found[at] ?? []).join('')));
}

/** What is between colons; the last part has all colons that are left. */
function arnParts<Each extends Symbol>(symbols: readonly Each[]): readonly (readonly Each[])[] {
  const parts: Each[][] = [[]];
  for (const symbol of symbols) {
    if (symbol === ':' && parts.length < ARN_PARTS) parts.push([]);
    else parts.at(-1)?.push(symbol);
  }
  return parts;
}

/** A pattern's variables replaced, for comparisons without wildcards; undefined where one has no value. */
export function expandVariables(
  text: string,
  variables: FindVariable | undefined,
): string | undefined {
  if (variables === undefined || !text.includes('${')) return text;
  const symbols = readPattern(text, variables);
  return symbols?.map((symbol) => (symbol === ANY ? '*' : symbol === ONE ? '?' : symbol)).join('');
}

function readPattern(pattern: string, variables: FindVariable | undefined): Symbol[] | undefined {
  const symbols: Symbol[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    const found = char === '$' ? VARIABLE.exec(pattern.slice(at)) : null;
    if (variables !== undefined && found !== null) {
      const [whole, name = '', otherwise] = found;
      const value = ['*', '?', '$'].includes(name) ? name : (variables(name) ?? otherwise);
      if (value === undefined) return undefined;
      symbols.push(...value.split(''));
      at += whole.length - 1;
    } else {
      symbols.push(char === '*' ? ANY : char === '?' ? ONE : char);
    }
  }
  return symbols;
}

/** Greedy with one way back: to the last `*`, which then takes one character more. */
function matchesSymbols(symbols: readonly Symbol[], text: string): boolean {
  let at = 0;
  let next = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    const symbol = symbols[next];
    if (symbol === ANY) {
      star = next++;
      starAt = at;
    } else if (symbol === ONE || symbol === text[at]) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (symbols[next] === ANY) next++;
  return next === symbols.length;
}
