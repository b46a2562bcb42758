/**
 * Object lock: which versions may not be deleted, and for how long.
 * Source: Amazon S3 User Guide, "Locking objects with Object Lock".
 */
import type { BucketRecord } from './bucket-record.ts';
import { ObjectStoreError } from './errors.ts';
import type { ObjectRecord } from './object-record.ts';
import type { ObjectMetadata } from './object-store.ts';

/** The setting of a bucket with object lock: a JSON document, `{}` where new objects have no retention. */
export const OBJECT_LOCK_SETTING = 'object-lock';

const DAY_MS = 24 * 60 * 60 * 1000;

export type RetentionMode = 'GOVERNANCE' | 'COMPLIANCE';

/** A version may not be deleted before `untilMs`, wall-clock milliseconds. */
export interface Retention {
  readonly mode: RetentionMode;
  readonly untilMs: number;
}

/** What objects get that come without a retention of their own; one of days and years. */
export interface DefaultRetention {
  readonly mode: RetentionMode;
  readonly days?: number;
  readonly years?: number;
}

/** As it is kept in an object's metadata. */
export function retentionText({ mode, untilMs }: Retention): string {
  return `${mode} ${untilMs}`;
}

export function parseRetention(text: string | undefined): Retention | undefined {
  if (text === undefined) return undefined;
  const [mode, until] = text.split(' ');
  return { mode: mode === 'COMPLIANCE' ? mode : 'GOVERNANCE', untilMs: Number(until) };
}

export function hasObjectLock(bucket: Pick<BucketRecord, 'settings'>): boolean {
  return bucket.settings.has(OBJECT_LOCK_SETTING);
}

/** undefined where the bucket has none. */
export function defaultRetentionOf(
  bucket: Pick<BucketRecord, 'settings'>,
): DefaultRetention | undefined {
  const setting = bucket.settings.get(OBJECT_LOCK_SETTING);
  const parsed = setting === undefined ? {} : (JSON.parse(setting) as Partial<DefaultRetention>);
  return parsed.mode === undefined ? undefined : { ...parsed, mode: parsed.mode };
}

/** InvalidRequest where what is written asks for a lock that its bucket cannot give. */
export function checkLockAllowed(
  bucket: Pick<BucketRecord, 'settings'>,
  metadata: Pick<ObjectMetadata, 'retention' | 'legalHold'>,
): void {
  if (metadata.retention === undefined && metadata.legalHold === undefined) return;
  requireObjectLock(bucket);
}

export function requireObjectLock(bucket: Pick<BucketRecord, 'settings'>): void {
  if (hasObjectLock(bucket)) return;
  throw new ObjectStoreError('InvalidRequest', 'Bucket is missing Object Lock Configuration');
}

/** The metadata with the bucket's default retention, where it has none of its own. */
export function withDefaultRetention(
  bucket: Pick<BucketRecord, 'settings'>,
  metadata: ObjectMetadata,
  nowMs: number,
): ObjectMetadata {
  if (metadata.retention !== undefined) return metadata;
  const given = defaultRetentionOf(bucket);
  if (given === undefined) return metadata;
  const days = (given.days ?? 0) + 365 * (given.years ?? 0);
  const retention = retentionText({ mode: given.mode, untilMs: nowMs + days * DAY_MS });
  return { ...metadata, retention };
}

/** AccessDenied while a version may not be deleted. */
export function checkRemovable(record: ObjectRecord, nowMs: number, bypass: boolean): void {
  if (isLocked(record, nowMs, bypass)) throw locked();
}

/** Whether a version may not be deleted now. */
export function isLocked(record: ObjectRecord, nowMs: number, bypass: boolean = false): boolean {
  const { legalHold } = record.metadata;
  const retention = parseRetention(record.metadata.retention);
  const retained =
    retention !== undefined &&
    retention.untilMs > nowMs &&
    !(bypass && retention.mode === 'GOVERNANCE');
  return legalHold === 'ON' || retained;
}

/** AccessDenied where a retention may not be changed so: unless it is bypassed it is only prolonged. */
export function checkRetentionChange(
  record: ObjectRecord,
  wanted: Retention | undefined,
  nowMs: number,
  bypass: boolean,
): void {
  const current = parseRetention(record.metadata.retention);
  if (current === undefined || current.untilMs <= nowMs) return;
  const prolongs =
    wanted !== undefined && wanted.mode === current.mode && wanted.untilMs >= current.untilMs;
  if (prolongs) return;
  if (current.mode === 'GOVERNANCE' && bypass) return;
  throw locked();
}

function locked(): ObjectStoreError {
  return new ObjectStoreError(
    'AccessDenied',
    'Access Denied because object protected by object lock.',
  );
}
