/** `If-Range`: what the object must be for a range of it to be sent. Without either it is never that. */
export interface RangeValidator {
  /** Without quotes. */
  readonly etag?: string;
  /** Milliseconds, compared in whole seconds. */
  readonly lastModifiedMs?: number;
}

/**
 * Whether a range of the object is sent: of another one than the client has the beginning of, all of it is.
 * Source: RFC 9110 section 13.1.5.
 */
export function rangeHolds(
  validator: RangeValidator | undefined,
  current: { readonly etag: string; readonly modifiedMs: number },
): boolean {
  if (validator === undefined) return true;
  const { etag, lastModifiedMs } = validator;
  if (etag !== undefined) return etag === current.etag;
  if (lastModifiedMs === undefined) return false;
  return Math.floor(lastModifiedMs / 1000) === Math.floor(current.modifiedMs / 1000);
}
