import { hasObjectLock, type Retention } from '@holdfast/objects';
import { hasAccess } from './access/authorize.ts';
import { retentionEndMs } from './retention-date.ts';
import type { S3Call } from './s3-call.ts';
import { invalidArgument, S3Error } from './s3-error.ts';

/**
 * A retention of two texts; undefined where the mode is not one of the two. A date without an offset is UTC.
 *
 * @throws S3Error InvalidArgument for a date that is none, or is past
 */
export function readRetention(call: S3Call, mode: string, until: string): Retention | undefined {
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') return undefined;
  const untilMs = retentionEndMs(until);
  if (untilMs === undefined) {
    throw new S3Error(
      'InvalidArgument',
      'The retain until date must be provided in ISO 8601 format',
    );
  }
  if (untilMs <= call.service.env.clock.nowMs()) {
    throw invalidArgument('The retain until date must be in the future!', 'RetainUntilDate', until);
  }
  return { mode, untilMs };
}

/** The end of a retention. Why with milliseconds: who waits for what is shown must not come too early. */
export function retentionDate({ untilMs }: Retention): string {
  return new Date(untilMs).toISOString();
}

const BYPASS = 'x-amz-bypass-governance-retention';

/** InvalidArgument for a delete that would go past retentions where there is no object lock, as AWS has it. */
export function checkBypass(call: S3Call): void {
  if (!call.headers.has(BYPASS) || hasObjectLock(call.openBucket.bucket)) return;
  throw new S3Error(
    'InvalidArgument',
    `${BYPASS} is only applicable to Object Lock enabled buckets.`,
    { ArgumentName: BYPASS },
  );
}

/** Whether the request asks to go past a GOVERNANCE retention of this key, and may: the header alone is not enough. */
export async function mayBypass(
  call: S3Call,
  key: string,
  versionId: string | undefined,
): Promise<boolean> {
  const asked = call.headers.get(BYPASS)?.toLowerCase() === 'true';
  const required = { action: 's3:BypassGovernanceRetention' };
  return asked && (await hasAccess(call, { ...call.openBucket, required, key, versionId }));
}
