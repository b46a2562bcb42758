import { AuthError } from './auth-error.ts';
import type { RawRequest, SignedVersion2Request } from './authentication.ts';
import type { QueryParameter } from './canonical-url.ts';
import {
  expired,
  missingDate,
  signatureDoesNotMatch,
  timeTooSkewed,
  unknownAccessKey,
} from './refusals.ts';
import { sameText } from './same-text.ts';
import { signVersion2, stringsToSign } from './signature-v2.ts';
import type { SignatureV2Claim } from './signature-v2-claim.ts';

export interface SignatureV2Rules {
  readonly findSecret: (accessKeyId: string) => string | undefined;
  /** Wall-clock milliseconds. */
  readonly nowMs: () => number;
  readonly maxSkewMs: number;
  readonly bucketOfHost: (host: string) => string | undefined;
}

/** Checks time, key and signature of a claim. Throws an `AuthError`. */
export function checkVersion2(
  claim: SignatureV2Claim,
  request: RawRequest,
  parameters: readonly QueryParameter[],
  rules: SignatureV2Rules,
): SignedVersion2Request {
  checkTime(claim, rules);
  const { via, accessKeyId, payload, headers } = claim;
  const secret = rules.findSecret(accessKeyId);
  if (secret === undefined) throw unknownAccessKey(accessKeyId);
  const bucket = rules.bucketOfHost(request.headers.get('host') ?? '');
  const candidates = stringsToSign(request, parameters, claim, bucket);
  const matching = candidates.filter((text) =>
    sameText(signVersion2(secret, text), claim.signature),
  );
  if (matching.length === 0) throw signatureDoesNotMatch(claim, candidates[0]);
  return { kind: 'signed-v2', via, accessKeyId, payload, headers };
}

function checkTime(claim: SignatureV2Claim, rules: SignatureV2Rules): void {
  const nowMs = rules.nowMs();
  if (claim.via === 'query') {
    if (nowMs > claim.timeMs) throw expired(claim.timeMs, nowMs);
  } else if (claim.timeMs < 0) {
    throw missingDate();
  } else if (Math.abs(claim.timeMs - nowMs) > rules.maxSkewMs) {
    throw timeTooSkewed(claim.timeText, nowMs, rules.maxSkewMs);
  }
}

/** The refusal of every Signature Version 2 where it is switched off, as by S3's newer regions. */
export function version2SwitchedOff(): AuthError {
  return new AuthError(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  );
}
