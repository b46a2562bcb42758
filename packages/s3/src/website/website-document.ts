import { invalidArgument, S3Error } from '../s3-error.ts';
import { type CheckedChildren, checkChildren, malformed, type XmlElement } from '../xml-reader.ts';
import { element, xmlDocument } from '../xml-writer.ts';
import type { RoutingRule, Website } from './website-rules.ts';

const MAX_RULES = 50;

interface Codes {
  readonly allowed: RegExp;
  readonly what: string;
  readonly valid: string;
}

const ERROR_CODES: Codes = { allowed: /^[45]\d\d$/, what: 'error', valid: '4XX or 5XX' };
const REDIRECT_CODES: Codes = {
  allowed: /^3(?!00)\d\d$/,
  what: 'redirect',
  valid: '3XX except 300',
};

/**
 * Reads a `<WebsiteConfiguration>`.
 *
 * @throws S3Error MalformedXML, InvalidArgument, InvalidRequest
 */
export function readWebsiteDocument(root: XmlElement): Website {
  const children = checkChildren(root, {
    RedirectAllRequestsTo: 'optional',
    IndexDocument: 'optional',
    ErrorDocument: 'optional',
    RoutingRules: 'optional',
  });
  const [all] = children.all('RedirectAllRequestsTo');
  if (all !== undefined) {
    if (root.children.length > 1) {
      throw new S3Error(
        'InvalidRequest',
        'RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.',
      );
    }
    const to = checkChildren(all, { HostName: 'one', Protocol: 'optional' });
    const hostName = hostOf(to) ?? '';
    return { redirectAll: { hostName, ...protocolOf(to) }, rules: [] };
  }
  const indexSuffix = leaf(children, 'IndexDocument', 'Suffix');
  if (indexSuffix === undefined || indexSuffix === '' || indexSuffix.includes('/')) {
    throw invalidArgument(
      'The IndexDocument Suffix is not well formed',
      'IndexDocument',
      indexSuffix ?? '',
    );
  }
  const errorKey = leaf(children, 'ErrorDocument', 'Key');
  const [list] = children.all('RoutingRules');
  const rules =
    list === undefined ? [] : checkChildren(list, { RoutingRule: 'many' }).all('RoutingRule');
  if (list !== undefined && rules.length === 0) throw malformed();
  if (rules.length > MAX_RULES) {
    throw new S3Error(
      'InvalidRequest',
      `${rules.length} routing rules provided, the number of routing rules in a website configuration is limited to ${MAX_RULES}.`,
    );
  }
  return { indexSuffix, ...(errorKey !== undefined && { errorKey }), rules: rules.map(readRule) };
}

function readRule(rule: XmlElement): RoutingRule {
  const children = checkChildren(rule, { Condition: 'optional', Redirect: 'one' });
  const [condition] = children.all('Condition');
  const when =
    condition &&
    checkChildren(condition, {
      KeyPrefixEquals: 'optional',
      HttpErrorCodeReturnedEquals: 'optional',
    });
  // Why: it would send every browser to where it is.
  if (children.one('Redirect').children.length === 0) throw malformed();
  const to = checkChildren(children.one('Redirect'), {
    HostName: 'optional',
    HttpRedirectCode: 'optional',
    Protocol: 'optional',
    ReplaceKeyPrefixWith: 'optional',
    ReplaceKeyWith: 'optional',
  });
  if (condition?.children.length === 0) {
    throw new S3Error(
      'InvalidRequest',
      "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
    );
  }
  const keyPrefix = when && text(when, 'KeyPrefixEquals');
  const errorCode = when && code(when, 'HttpErrorCodeReturnedEquals', ERROR_CODES);
  const status = code(to, 'HttpRedirectCode', REDIRECT_CODES);
  const hostName = hostOf(to);
  const replacePrefix = text(to, 'ReplaceKeyPrefixWith');
  const replaceKey = text(to, 'ReplaceKeyWith');
  if (replacePrefix !== undefined && replaceKey !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      'You can only define ReplaceKeyPrefix or ReplaceKey but not both.',
    );
  }
  return {
    ...(keyPrefix !== undefined && { keyPrefix }),
    ...(errorCode !== undefined && { errorCode }),
    redirect: {
      ...(hostName !== undefined && { hostName }),
      ...protocolOf(to),
      ...(status !== undefined && { status }),
      ...(replacePrefix !== undefined && { replacePrefix }),
      ...(replaceKey !== undefined && { replaceKey }),
    },
  };
}

function protocolOf(children: CheckedChildren): { readonly protocol?: string } {
  const protocol = text(children, 'Protocol');
  if (protocol === undefined) return {};
  if (protocol !== 'http' && protocol !== 'https') throw malformed();
  return { protocol };
}

/** Why nothing but ASCII: it becomes part of a `Location` header as it is. */
function hostOf(children: CheckedChildren): string | undefined {
  const host = text(children, 'HostName');
  if (host === undefined || /^[\u0021-\u007e]*$/.test(host)) return host;
  throw invalidArgument('The HostName is not well formed', 'HostName', host);
}

function code(
  children: CheckedChildren,
  name: string,
  { allowed, what, valid }: Codes,
): number | undefined {
  const value = text(children, name);
  if (value === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(value)) throw malformed();
  if (allowed.test(value)) return Number(value);
  throw new S3Error(
    'InvalidRequest',
    `The provided HTTP ${what} code (${value}) is not valid. Valid codes are ${valid}.`,
  );
}

function leaf(children: CheckedChildren, parent: string, name: string): string | undefined {
  const [found] = children.all(parent);
  return found && text(checkChildren(found, { [name]: 'one' }), name);
}

function text(children: CheckedChildren, name: string): string | undefined {
  return children.text(name)?.trim();
}

/** The document that says what `readWebsiteDocument` read. */
export function websiteDocument({ redirectAll, indexSuffix, errorKey, rules }: Website): string {
  const list = rules.map(ruleElement).join('');
  const inner =
    (redirectAll === undefined
      ? ''
      : `<RedirectAllRequestsTo>${element('HostName', redirectAll.hostName)}${given('Protocol', redirectAll.protocol)}</RedirectAllRequestsTo>`) +
    (indexSuffix === undefined
      ? ''
      : `<IndexDocument>${element('Suffix', indexSuffix)}</IndexDocument>`) +
    (errorKey === undefined ? '' : `<ErrorDocument>${element('Key', errorKey)}</ErrorDocument>`) +
    (list === '' ? '' : `<RoutingRules>${list}</RoutingRules>`);
  return xmlDocument('WebsiteConfiguration', inner);
}

function ruleElement({ keyPrefix, errorCode, redirect }: RoutingRule): string {
  const condition =
    given('KeyPrefixEquals', keyPrefix) + given('HttpErrorCodeReturnedEquals', errorCode);
  const to =
    given('Protocol', redirect.protocol) +
    given('HostName', redirect.hostName) +
    given('ReplaceKeyPrefixWith', redirect.replacePrefix) +
    given('ReplaceKeyWith', redirect.replaceKey) +
    given('HttpRedirectCode', redirect.status);
  const when = condition === '' ? '' : `<Condition>${condition}</Condition>`;
  return `<RoutingRule>${when}<Redirect>${to}</Redirect></RoutingRule>`;
}

function given(name: string, value: string | number | undefined): string {
  return value === undefined ? '' : element(name, String(value));
}
