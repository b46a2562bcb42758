/** What S3 refuses of rules that fit the schema. Source: AWS API reference, "LifecycleRule" and its parts. */
import type { LifecycleFilter, LifecycleRule } from '@holdfast/objects';
import { S3Error } from '../s3-error.ts';
import { malformed } from '../xml-reader.ts';

const MAX_ID = 255;

/** The rule, where it asks for nothing that cannot be done. @throws S3Error */
export function checkRule({
  transitions,
  ...rule
}: LifecycleRule & { readonly transitions: number }): LifecycleRule {
  if (rule.id.length > MAX_ID) {
    throw new S3Error('InvalidArgument', `ID length should not exceed allowed limit of ${MAX_ID}`);
  }
  const actions = [rule.expiration, rule.noncurrentExpiration, rule.abortUploadsAfterDays];
  if (transitions === 0 && actions.every((action) => action === undefined)) {
    throw new S3Error('InvalidRequest', 'At least one action needs to be specified in a rule');
  }
  checkFilters(rule);
  if (transitions > 0) {
    throw new S3Error(
      'NotImplemented',
      'Transitions are not implemented: every object is stored in the same way, whatever its storage class says',
    );
  }
  return rule;
}

/** @throws S3Error InvalidArgument */
export function checkRules(rules: readonly LifecycleRule[]): void {
  const ids = new Set(rules.map(({ id }) => id));
  if (ids.size < rules.length) {
    throw new S3Error(
      'InvalidArgument',
      'Rule ID must be unique. Found same ID for more than one rule',
    );
  }
}

function checkFilters({ filter, expiration, abortUploadsAfterDays }: LifecycleRule): void {
  const filters: readonly LifecycleFilter[] = [filter ?? {}, filter?.and ?? {}];
  const tagged = filters.some(({ tags = [] }) => tags.length > 0);
  const sized = filters.some(
    ({ sizeGreaterThan, sizeLessThan }) => (sizeGreaterThan ?? sizeLessThan) !== undefined,
  );
  for (const { sizeGreaterThan = -1, sizeLessThan = Infinity } of filters) {
    if (sizeGreaterThan >= sizeLessThan) {
      throw new S3Error(
        'InvalidRequest',
        "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
      );
    }
  }
  const ofMarkers = expiration !== undefined && 'expiredObjectDeleteMarker' in expiration;
  for (const [name, is] of [
    ['ExpiredObjectDeleteMarker', ofMarkers],
    ['AbortIncompleteMultipartUpload', abortUploadsAfterDays !== undefined],
  ] as const) {
    if (is && tagged) throw new S3Error('InvalidRequest', `${name} cannot be specified with Tags.`);
    if (is && sized) throw malformed();
  }
}
