import { isHeaderName } from '../header-text.ts';
import { invalidArgument, S3Error } from '../s3-error.ts';
import { checkChildren, malformed, type XmlElement } from '../xml-reader.ts';
import { element, xmlDocument } from '../xml-writer.ts';
import type { CorsRule } from './cors-rules.ts';

const MAX_RULES = 100;
const METHODS: readonly string[] = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE'];

/**
 * Reads a `<CORSConfiguration>`.
 *
 * @throws S3Error MalformedXML, InvalidRequest
 */
export function readCorsDocument(root: XmlElement): CorsRule[] {
  const rules = checkChildren(root, { CORSRule: 'many' }).all('CORSRule').map(readRule);
  if (rules.length === 0 || rules.length > MAX_RULES) throw malformed();
  return rules;
}

function readRule(rule: XmlElement): CorsRule {
  const children = checkChildren(rule, {
    ID: 'optional',
    AllowedOrigin: 'many',
    AllowedMethod: 'many',
    AllowedHeader: 'many',
    ExposeHeader: 'many',
    MaxAgeSeconds: 'optional',
  });
  const texts = (name: string): string[] => children.all(name).map(({ text }) => text.trim());
  const allowedMethods = texts('AllowedMethod');
  const allowedOrigins = texts('AllowedOrigin');
  const allowedHeaders = texts('AllowedHeader');
  const exposeHeaders = texts('ExposeHeader');
  if (allowedMethods.length === 0 || allowedOrigins.length === 0) throw malformed();
  for (const method of allowedMethods) {
    if (!METHODS.includes(method)) {
      throw new S3Error(
        'InvalidRequest',
        `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`,
      );
    }
  }
  refuseTwoStars('AllowedOrigin', allowedOrigins);
  refuseTwoStars('AllowedHeader', allowedHeaders);
  if (exposeHeaders.some((name) => name.includes('*'))) {
    throw new S3Error('InvalidRequest', 'ExposeHeader can not contain wildcards.');
  }
  const noName = exposeHeaders.find((name) => !isHeaderName(name));
  if (noName !== undefined) {
    throw new S3Error('InvalidRequest', `ExposeHeader "${noName}" contains invalid character.`);
  }
  const maxAge = children.text('MaxAgeSeconds')?.trim();
  if (maxAge !== undefined && !/^-?\d{1,9}$/.test(maxAge)) throw malformed();
  const id = children.text('ID');
  if (id !== undefined && id.length > 255) throw invalidArgument('The ID is too long', 'ID', id);
  return {
    ...(id !== undefined && { id }),
    allowedOrigins,
    allowedMethods,
    allowedHeaders,
    exposeHeaders,
    ...(maxAge !== undefined && { maxAgeSeconds: Number(maxAge) }),
  };
}

function refuseTwoStars(name: string, values: readonly string[]): void {
  const value = values.find((text) => text.indexOf('*') !== text.lastIndexOf('*'));
  if (value === undefined) return;
  throw new S3Error('InvalidRequest', `${name} "${value}" can not have more than one wildcard.`);
}

/** The document that says what `readCorsDocument` read. */
export function corsDocument(rules: readonly CorsRule[]): string {
  return xmlDocument('CORSConfiguration', rules.map(ruleElement).join(''));
}

function ruleElement(rule: CorsRule): string {
  const all = (name: string, texts: readonly string[]): string =>
    texts.map((text) => element(name, text)).join('');
  const inner =
    (rule.id === undefined ? '' : element('ID', rule.id)) +
    all('AllowedMethod', rule.allowedMethods) +
    all('AllowedOrigin', rule.allowedOrigins) +
    all('AllowedHeader', rule.allowedHeaders) +
    (rule.maxAgeSeconds === undefined ? '' : element('MaxAgeSeconds', String(rule.maxAgeSeconds))) +
    all('ExposeHeader', rule.exposeHeaders);
  return `<CORSRule>${inner}</CORSRule>`;
}
