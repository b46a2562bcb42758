import {
  type Bucket,
  expirationOf,
  type LifecycleConfiguration,
  type LifecycleDue,
  lifecycleOf,
  uploadAbortOf,
} from '@holdfast/objects';
import type { HeaderList } from '../answer.ts';
import { httpDate } from '../http-date.ts';
import type { S3Call } from '../s3-call.ts';

/** The last moment that a header can name: the end of the year 9999. */
const LAST_MS = Date.UTC(10_000, 0, 1) - 1000;

/** Reads lifecycles, and remembers what it read as long as the settings themselves are remembered. */
export class LifecycleReader {
  readonly #read = new WeakMap<ReadonlyMap<string, string>, LifecycleConfiguration>();

  of(bucket: Bucket): LifecycleConfiguration | undefined {
    const known = this.#read.get(bucket.settings);
    if (known !== undefined) return known;
    const lifecycle = lifecycleOf(bucket);
    if (lifecycle !== undefined) this.#read.set(bucket.settings, lifecycle);
    return lifecycle;
  }
}

/**
 * `x-amz-expiration`: when the object, as the latest version of its key, expires, and by which rule. Days are real
 * ones here, also where a test has made them shorter.
 */
export function expirationHeaders(
  call: S3Call,
  object: {
    readonly sizeBytes: number;
    readonly modifiedMs: number;
    readonly tagging?: string | undefined;
  },
): HeaderList {
  const lifecycle = call.service.lifecycles.of(call.openBucket.bucket);
  const due = lifecycle && expirationOf(lifecycle.rules, { key: call.key, ...object });
  if (due === undefined) return [];
  const value = `expiry-date="${dateOf(due)}", rule-id="${encodeURIComponent(due.ruleId)}"`;
  return ['x-amz-expiration', value];
}

/** `x-amz-abort-date` and `x-amz-abort-rule-id`, where a rule will abort the upload. */
export function abortHeaders(call: S3Call, upload: { readonly initiatedMs: number }): HeaderList {
  const lifecycle = call.service.lifecycles.of(call.openBucket.bucket);
  const due = lifecycle && uploadAbortOf(lifecycle.rules, { key: call.key, ...upload });
  if (due === undefined) return [];
  const { ruleId } = due;
  return ['x-amz-abort-date', dateOf(due), 'x-amz-abort-rule-id', encodeURIComponent(ruleId)];
}

function dateOf({ atMs }: LifecycleDue): string {
  return httpDate(Math.min(atMs, LAST_MS));
}
