/**
 * The rules of a bucket's lifecycle: what they say, and what is due by them. Pure.
 *
 * Source: Amazon S3 User Guide, "Lifecycle configuration elements", "Expiring objects".
 */
import { compareBytes, utf8 } from '@holdfast/bytes';
import type { BucketRecord } from './bucket-record.ts';

/** The setting of a bucket that has its lifecycle: JSON of a `LifecycleConfiguration`. */
export const LIFECYCLE_SETTING = 'lifecycle';

/** A day, where nobody says otherwise. Milliseconds. */
const DAY_MS = 24 * 60 * 60 * 1000;

export interface LifecycleConfiguration {
  readonly rules: readonly LifecycleRule[];
  /** What `x-amz-transition-default-minimum-object-size` said; kept and shown, for there are no transitions. */
  readonly transitionMinimumSize: string;
}

export interface LifecycleTag {
  readonly key: string;
  readonly value: string;
}

/** All that is there must hold. Sizes in bytes, exclusive. */
export interface LifecycleFilter {
  readonly prefix?: string;
  readonly tags?: readonly LifecycleTag[];
  readonly sizeGreaterThan?: number;
  readonly sizeLessThan?: number;
}

export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  /** Where the rule has a prefix of its own, as the first version of the API had it. */
  readonly prefix?: string;
  readonly filter?: LifecycleFilter & { readonly and?: LifecycleFilter };
  /** Of the latest version. Days count from its creation; `dateMs` is wall-clock milliseconds. */
  readonly expiration?:
    | { readonly days: number }
    | { readonly dateMs: number }
    | { readonly expiredObjectDeleteMarker: boolean };
  /** Days count from when a version got a successor. */
  readonly noncurrentExpiration?: { readonly days: number; readonly newerVersions?: number };
  readonly abortUploadsAfterDays?: number;
}

/** What the rules ask about an object. */
export interface LifecycleSubject {
  readonly key: string;
  readonly sizeBytes: number;
  /** Tags as a query string, as an object's metadata has them. */
  readonly tagging?: string | undefined;
}

/** When a rule takes something away, and its id. */
export interface LifecycleDue {
  readonly atMs: number;
  readonly ruleId: string;
}

/** The lifecycle of a bucket; undefined where it has none. */
export function lifecycleOf(
  bucket: Pick<BucketRecord, 'settings'>,
): LifecycleConfiguration | undefined {
  const text = bucket.settings.get(LIFECYCLE_SETTING);
  return text === undefined ? undefined : (JSON.parse(text) as LifecycleConfiguration);
}

/** When the latest version of a key expires; undefined where no rule says so. */
export function expirationOf(
  rules: readonly LifecycleRule[],
  subject: LifecycleSubject & { readonly modifiedMs: number },
  dayMs: number = DAY_MS,
): LifecycleDue | undefined {
  let first: LifecycleDue | undefined;
  for (const rule of rules) {
    const { expiration, id } = rule;
    if (expiration === undefined || 'expiredObjectDeleteMarker' in expiration) continue;
    if (!appliesTo(rule, subject)) continue;
    const atMs =
      'dateMs' in expiration
        ? expiration.dateMs
        : dayAfter(subject.modifiedMs, expiration.days, dayMs);
    if (first === undefined || atMs < first.atMs) first = { atMs, ruleId: id };
  }
  return first;
}

/** A delete marker that is the only version of its key: it goes at once, or at the age of an object. */
export function markerIsDue(
  rules: readonly LifecycleRule[],
  marker: { readonly key: string; readonly modifiedMs: number },
  nowMs: number,
  dayMs: number,
): boolean {
  const subject = { ...marker, sizeBytes: 0 };
  return rules.some((rule) => {
    const { expiration } = rule;
    // Why: a marker has neither tags nor a size that anybody could mean.
    if (expiration === undefined || asksForMore(rule) || !appliesTo(rule, subject)) return false;
    if ('expiredObjectDeleteMarker' in expiration) return expiration.expiredObjectDeleteMarker;
    const due = expirationOf([rule], subject, dayMs);
    return due !== undefined && due.atMs <= nowMs;
  });
}

export interface NoncurrentVersion extends LifecycleSubject {
  readonly isMarker: boolean;
  /** When it got its successor, wall-clock milliseconds. */
  readonly sinceMs: number;
  /** How many versions that are not the latest either are newer. */
  readonly newerCount: number;
}

/**
 * How many newer versions, beside the latest, must be there still when this one is taken away; undefined
 * where it is not due.
 */
export function noncurrentDue(
  rules: readonly LifecycleRule[],
  version: NoncurrentVersion,
  nowMs: number,
  dayMs: number,
): number | undefined {
  let fewest: number | undefined;
  for (const rule of rules) {
    const { noncurrentExpiration: action } = rule;
    if (action === undefined || !appliesTo(rule, version)) continue;
    if (version.isMarker && asksForMore(rule)) continue;
    const kept = action.newerVersions ?? 0;
    if (version.newerCount < kept) continue;
    if (dayAfter(version.sinceMs, action.days, dayMs) > nowMs) continue;
    if (fewest === undefined || kept < fewest) fewest = kept;
  }
  return fewest;
}

/** When an open upload is aborted; undefined where no rule says so. */
export function uploadAbortOf(
  rules: readonly LifecycleRule[],
  upload: { readonly key: string; readonly initiatedMs: number },
  dayMs: number = DAY_MS,
): LifecycleDue | undefined {
  let first: LifecycleDue | undefined;
  for (const rule of rules) {
    const { abortUploadsAfterDays: days, id } = rule;
    if (days === undefined || !appliesTo(rule, { key: upload.key, sizeBytes: 0 })) continue;
    const atMs = dayAfter(upload.initiatedMs, days, dayMs);
    if (first === undefined || atMs < first.atMs) first = { atMs, ruleId: id };
  }
  return first;
}

/** The shortest list of prefixes under which everything is that a rule can be about, in the order of their bytes. */
export function prefixesOf(rules: readonly LifecycleRule[]): string[] {
  const prefixes = rules.filter(({ enabled }) => enabled).map(longestPrefix);
  const sorted = [...new Set(prefixes)].sort((left, right) => left.length - right.length);
  const kept: string[] = [];
  for (const prefix of sorted) {
    if (!kept.some((shorter) => prefix.startsWith(shorter))) kept.push(prefix);
  }
  return kept.sort((left, right) => compareBytes(utf8(left), utf8(right)));
}

/** The newer versions that are remembered while the versions of a key are looked at. */
export function mostKeptVersions(rules: readonly LifecycleRule[]): number {
  return Math.max(0, ...rules.map((rule) => rule.noncurrentExpiration?.newerVersions ?? 0));
}

function appliesTo(rule: LifecycleRule, subject: LifecycleSubject): boolean {
  if (!rule.enabled) return false;
  return filtersOf(rule).every((filter) => holds(filter, subject));
}

function filtersOf({ prefix, filter }: LifecycleRule): readonly LifecycleFilter[] {
  return [prefix === undefined ? {} : { prefix }, filter ?? {}, filter?.and ?? {}];
}

function holds(filter: LifecycleFilter, { key, sizeBytes, tagging }: LifecycleSubject): boolean {
  if (filter.prefix !== undefined && !key.startsWith(filter.prefix)) return false;
  if (filter.sizeGreaterThan !== undefined && sizeBytes <= filter.sizeGreaterThan) return false;
  if (filter.sizeLessThan !== undefined && sizeBytes >= filter.sizeLessThan) return false;
  if (filter.tags === undefined || filter.tags.length === 0) return true;
  const has = new Set(tagging?.split('&'));
  return filter.tags.every(({ key: name, value }) =>
    has.has(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
}

/** Whether a rule asks for tags or a size. */
function asksForMore(rule: LifecycleRule): boolean {
  return filtersOf(rule).some(
    ({ tags = [], sizeGreaterThan, sizeLessThan }) =>
      tags.length > 0 || sizeGreaterThan !== undefined || sizeLessThan !== undefined,
  );
}

/** Prefixes of one rule must all hold, so the longest of them says it. */
function longestPrefix(rule: LifecycleRule): string {
  return filtersOf(rule)
    .map(({ prefix = '' }) => prefix)
    .reduce((longest, prefix) => (prefix.length > longest.length ? prefix : longest));
}

/**
 * So many days later; where a day is a day, the midnight (UTC) after that, as S3 has it. Shorter days are a
 * test's, and have no midnight.
 */
function dayAfter(fromMs: number, days: number, dayMs: number): number {
  const atMs = fromMs + days * dayMs;
  return dayMs === DAY_MS ? Math.ceil(atMs / DAY_MS) * DAY_MS : atMs;
}
