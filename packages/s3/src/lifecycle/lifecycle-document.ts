import type { LifecycleFilter, LifecycleRule, LifecycleTag } from '@holdfast/objects';
import { isoDate } from '../http-date.ts';
import { S3Error } from '../s3-error.ts';
import { checkChildren, malformed, type XmlElement } from '../xml-reader.ts';
import { element, optionalElement, xmlDocument } from '../xml-writer.ts';
import { checkRule, checkRules } from './lifecycle-checks.ts';

const MAX_RULES = 1000;
/** S3's own bound of every count of days. */
const MAX_DAYS = 2_147_483_647;
const DAY_MS = 24 * 60 * 60 * 1000;
const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Reads a `<LifecycleConfiguration>`. `newId` names the rules that come without a name.
 *
 * @throws S3Error MalformedXML, InvalidArgument, InvalidRequest; NotImplemented for transitions
 */
export function readLifecycleDocument(root: XmlElement, newId: () => string): LifecycleRule[] {
  const elements = checkChildren(root, { Rule: 'many' }).all('Rule');
  if (elements.length === 0 || elements.length > MAX_RULES) throw malformed();
  const rules = elements.map((rule) => readRule(rule, newId));
  checkRules(rules);
  return rules;
}

function readRule(rule: XmlElement, newId: () => string): LifecycleRule {
  const children = checkChildren(rule, {
    ID: 'optional',
    Status: 'one',
    Prefix: 'optional',
    Filter: 'optional',
    Expiration: 'optional',
    NoncurrentVersionExpiration: 'optional',
    AbortIncompleteMultipartUpload: 'optional',
    Transition: 'many',
    NoncurrentVersionTransition: 'many',
  });
  const status = children.text('Status')?.trim();
  if (status !== 'Enabled' && status !== 'Disabled') throw malformed();
  const prefix = children.text('Prefix');
  const filter = children.all('Filter')[0];
  if ((prefix === undefined) === (filter === undefined)) throw malformed();
  for (const transition of children.all('Transition')) checkTransition(transition);
  const transitions = children.all('Transition').length;
  const read = checkRule({
    id: children.text('ID') || newId(),
    enabled: status === 'Enabled',
    ...(prefix !== undefined && { prefix }),
    ...(filter !== undefined && { filter: readFilter(filter) }),
    ...readExpiration(children.all('Expiration')[0]),
    ...readNoncurrentExpiration(children.all('NoncurrentVersionExpiration')[0]),
    ...readAbort(children.all('AbortIncompleteMultipartUpload')[0]),
    transitions: transitions + children.all('NoncurrentVersionTransition').length,
  });
  return read;
}

function readFilter(filter: XmlElement): NonNullable<LifecycleRule['filter']> {
  const children = checkChildren(filter, {
    Prefix: 'optional',
    Tag: 'optional',
    ObjectSizeGreaterThan: 'optional',
    ObjectSizeLessThan: 'optional',
    And: 'optional',
  });
  const and = children.all('And')[0];
  if (and === undefined) return readConditions(filter);
  const andChildren = checkChildren(and, {
    Prefix: 'optional',
    Tag: 'many',
    ObjectSizeGreaterThan: 'optional',
    ObjectSizeLessThan: 'optional',
  });
  if (and.children.length === 0) throw malformed();
  const tags = andChildren.all('Tag').map(readTag);
  if (new Set(tags.map(({ key }) => key)).size < tags.length) {
    throw new S3Error('InvalidRequest', 'Duplicate Tag Keys are not allowed.');
  }
  return { ...readConditions(filter), and: readConditions(and) };
}

/** The conditions that stand directly in a `Filter` or an `And`. */
function readConditions(parent: XmlElement): LifecycleFilter {
  const all = (name: string): readonly XmlElement[] =>
    parent.children.filter((child) => child.name === name);
  const prefix = all('Prefix')[0]?.text;
  const tags = all('Tag').map(readTag);
  const greater = all('ObjectSizeGreaterThan')[0];
  const less = all('ObjectSizeLessThan')[0];
  return {
    ...(prefix !== undefined && { prefix }),
    ...(tags.length > 0 && { tags }),
    ...(greater !== undefined && { sizeGreaterThan: readSize(greater) }),
    ...(less !== undefined && { sizeLessThan: readSize(less) }),
  };
}

function readTag(tag: XmlElement): LifecycleTag {
  const children = checkChildren(tag, { Key: 'one', Value: 'one' });
  const [key, value] = [children.text('Key') ?? '', children.text('Value') ?? ''];
  if (key === '' || key.length > 128) {
    throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid', { TagKey: key });
  }
  if (value.length > 256) {
    throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid', {
      TagValue: value,
    });
  }
  return { key, value };
}

function readSize({ text, children }: XmlElement): number {
  if (children.length > 0 || !/^\s*\d{1,15}\s*$/.test(text)) throw malformed();
  return Number(text);
}

function readExpiration(expiration: XmlElement | undefined): Pick<LifecycleRule, 'expiration'> {
  if (expiration === undefined) return {};
  const children = checkChildren(expiration, {
    Days: 'optional',
    Date: 'optional',
    ExpiredObjectDeleteMarker: 'optional',
  });
  if (expiration.children.length !== 1) throw malformed();
  const days = children.text('Days');
  if (days !== undefined) {
    return { expiration: { days: readDays(days, "'Days' for Expiration action") } };
  }
  const date = children.text('Date');
  if (date !== undefined) return { expiration: { dateMs: readMidnight(date) } };
  const marker = children.text('ExpiredObjectDeleteMarker')?.trim();
  if (marker !== 'true' && marker !== 'false') throw malformed();
  return { expiration: { expiredObjectDeleteMarker: marker === 'true' } };
}

function readNoncurrentExpiration(
  action: XmlElement | undefined,
): Pick<LifecycleRule, 'noncurrentExpiration'> {
  if (action === undefined) return {};
  const children = checkChildren(action, {
    NoncurrentDays: 'one',
    NewerNoncurrentVersions: 'optional',
  });
  const name = 'for NoncurrentVersionExpiration action';
  const days = readDays(children.text('NoncurrentDays') ?? '', `'NoncurrentDays' ${name}`);
  const newer = children.text('NewerNoncurrentVersions');
  if (newer === undefined) return { noncurrentExpiration: { days } };
  const newerVersions = readDays(newer, `'NewerNoncurrentVersions' ${name}`);
  if (newerVersions > 100) {
    throw new S3Error(
      'InvalidArgument',
      "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be at most 100",
    );
  }
  return { noncurrentExpiration: { days, newerVersions } };
}

function readAbort(action: XmlElement | undefined): Pick<LifecycleRule, 'abortUploadsAfterDays'> {
  if (action === undefined) return {};
  const text = checkChildren(action, { DaysAfterInitiation: 'one' }).text('DaysAfterInitiation');
  const name = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action";
  return { abortUploadsAfterDays: readDays(text ?? '', name) };
}

/** Only what S3 refuses for every store, before this one refuses transitions at all. */
function checkTransition(transition: XmlElement): void {
  const children = checkChildren(transition, {
    Days: 'optional',
    Date: 'optional',
    StorageClass: 'one',
  });
  const date = children.text('Date');
  if (date !== undefined) readMidnight(date);
}

function readDays(text: string, what: string): number {
  if (!/^\s*-?\d{1,10}\s*$/.test(text)) throw malformed();
  const days = Number(text);
  if (days < 1 || days > MAX_DAYS) {
    throw new S3Error('InvalidArgument', `${what} must be a positive integer`);
  }
  return days;
}

function readMidnight(text: string): number {
  const trimmed = text.trim();
  const zoned = /T.*(Z|[+-]\d{2}:?\d{2})$/.test(trimmed) || !trimmed.includes('T');
  const ms = ISO_DATE.test(trimmed) ? Date.parse(zoned ? trimmed : `${trimmed}Z`) : Number.NaN;
  if (Number.isNaN(ms) || ms < 0) throw malformed();
  if (ms % DAY_MS !== 0) throw new S3Error('InvalidArgument', "'Date' must be at midnight GMT");
  return ms;
}

/** The document that says what `readLifecycleDocument` read. */
export function lifecycleDocument(rules: readonly LifecycleRule[]): string {
  return xmlDocument('LifecycleConfiguration', rules.map(ruleElement).join(''));
}

function ruleElement(rule: LifecycleRule): string {
  const { filter, noncurrentExpiration: noncurrent, abortUploadsAfterDays: abort } = rule;
  const and = filter?.and;
  const inner =
    element('ID', rule.id) +
    optionalElement('Prefix', rule.prefix) +
    (filter === undefined
      ? ''
      : `<Filter>${filterElements(filter)}${and === undefined ? '' : `<And>${filterElements(and)}</And>`}</Filter>`) +
    element('Status', rule.enabled ? 'Enabled' : 'Disabled') +
    expirationElement(rule) +
    (noncurrent === undefined
      ? ''
      : `<NoncurrentVersionExpiration>${element('NoncurrentDays', String(noncurrent.days))}${optionalElement('NewerNoncurrentVersions', noncurrent.newerVersions?.toString())}</NoncurrentVersionExpiration>`) +
    (abort === undefined
      ? ''
      : `<AbortIncompleteMultipartUpload>${element('DaysAfterInitiation', String(abort))}</AbortIncompleteMultipartUpload>`);
  return `<Rule>${inner}</Rule>`;
}

function filterElements(filter: LifecycleFilter): string {
  const { prefix, tags = [], sizeGreaterThan, sizeLessThan } = filter;
  return (
    optionalElement('Prefix', prefix) +
    tags
      .map(({ key, value }) => `<Tag>${element('Key', key)}${element('Value', value)}</Tag>`)
      .join('') +
    optionalElement('ObjectSizeGreaterThan', sizeGreaterThan?.toString()) +
    optionalElement('ObjectSizeLessThan', sizeLessThan?.toString())
  );
}

function expirationElement({ expiration }: LifecycleRule): string {
  if (expiration === undefined) return '';
  const inner =
    'days' in expiration
      ? element('Days', String(expiration.days))
      : 'dateMs' in expiration
        ? element('Date', isoDate(expiration.dateMs))
        : element('ExpiredObjectDeleteMarker', String(expiration.expiredObjectDeleteMarker));
  return `<Expiration>${inner}</Expiration>`;
}
