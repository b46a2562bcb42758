import { AuthError } from './auth-error.ts';
import type { Authentication, RawRequest, SignedRequest } from './authentication.ts';
import { parseAuthorizationHeader } from './authorization-header.ts';
import { canonicalRequest, stringToSign } from './canonical-request.ts';
import type { QueryParameter } from './canonical-url.ts';
import { queryParameters, splitTarget } from './canonical-url.ts';
import type { CredentialRules } from './credential.ts';
import { plainPayload } from './payload-check.ts';
import { isPresigned, parsePresignedQuery, withHoistedHeaders } from './presigned-query.ts';
import { expired, signatureDoesNotMatch, timeTooSkewed, unknownAccessKey } from './refusals.ts';
import type { RequestHeaders } from './request-headers.ts';
import { sameText } from './same-text.ts';
import type { SignatureClaim } from './signature-claim.ts';
import { checkVersion2, version2SwitchedOff } from './signature-v2-check.ts';
import type { SignatureV2Claim } from './signature-v2-claim.ts';
import {
  isVersion2Header,
  isVersion2Query,
  parseVersion2Header,
  parseVersion2Query,
} from './signature-v2-claim.ts';
import type { SigningKey } from './signing-key.ts';
import { deriveSigningKey, SigningKeys } from './signing-keys.ts';

const DEFAULT_MAX_SKEW_MS = 15 * 60 * 1000;
const DEFAULT_MAX_CACHED_KEYS = 1024;

export interface AuthenticatorOptions {
  /** The secret of an access key, or undefined. Asked on every request, so a removed key stops at once. */
  readonly findSecret: (accessKeyId: string) => string | undefined;
  /** Wall-clock milliseconds. */
  readonly nowMs: () => number;
  /** The region that signatures must be for. */
  readonly region: string;
  /** Accepts signatures for any region. Default false. */
  readonly acceptAnyRegion?: boolean;
  /** How far a request's time may be from ours, either way. Default 15 minutes. */
  readonly maxSkewMs?: number;
  /** Bound on the cache of signing keys. Default 1024. */
  readonly maxCachedKeys?: number;
  /** Accepts the older Signature Version 2 as well, which covers less of a request. Default true. */
  readonly allowSignatureV2?: boolean;
  /** The bucket that a Host header names; its signature begins with it. Default: none does. */
  readonly bucketOfHost?: (host: string) => string | undefined;
}

export interface Authenticator {
  /** Who signed the request. Throws an `AuthError`; nothing is read from the body. */
  authenticate(request: RawRequest): Authentication;
}

/**
 * Checks AWS Signature Version 4, or 2, in the `Authorization` header or in the query. A request without
 * either is anonymous, and what it may do is the caller's decision.
 *
 * Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)"; Amazon S3
 * Developer Guide, "Authenticating Requests (AWS Signature Version 2)".
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  return new SignatureAuthenticator(options);
}

class SignatureAuthenticator implements Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #rules: CredentialRules;
  readonly #maxSkewMs: number;
  readonly #keys: SigningKeys;

  constructor(options: AuthenticatorOptions) {
    const { region, acceptAnyRegion = false } = options;
    this.#options = options;
    const keys = new SigningKeys(options.maxCachedKeys ?? DEFAULT_MAX_CACHED_KEYS);
    this.#rules = { region, acceptAnyRegion, known: (text) => keys.credential(text) };
    this.#maxSkewMs = options.maxSkewMs ?? DEFAULT_MAX_SKEW_MS;
    this.#keys = keys;
  }

  authenticate(request: RawRequest): Authentication {
    const { path, query } = splitTarget(request.rawUrl);
    const parameters = query === undefined ? [] : queryParameters(query);
    const claim = parseClaim(request.headers, parameters, this.#rules);
    if (claim === undefined) {
      const { headers } = request;
      const payload = plainPayload(headers, 'A request without a signature');
      return { kind: 'anonymous', payload, headers };
    }
    if ('credential' in claim) return this.#checkVersion4(claim, request, path, parameters);
    const { allowSignatureV2 = true, bucketOfHost = () => undefined } = this.#options;
    if (!allowSignatureV2) throw version2SwitchedOff();
    const { findSecret, nowMs } = this.#options;
    const rules = { findSecret, nowMs, maxSkewMs: this.#maxSkewMs, bucketOfHost };
    return checkVersion2(claim, request, parameters, rules);
  }

  #checkVersion4(
    claim: SignatureClaim,
    request: RawRequest,
    path: string,
    parameters: readonly QueryParameter[],
  ): SignedRequest {
    this.#checkTime(claim);
    const { accessKeyId, scope } = claim.credential;
    const secret = this.#options.findSecret(accessKeyId);
    if (secret === undefined) throw unknownAccessKey(accessKeyId);
    const canonical = canonicalRequest(request, path, parameters, claim);
    const signingKey = this.#verify(claim, secret, canonical);
    return {
      kind: 'signed',
      via: claim.via,
      accessKeyId,
      scope,
      amzDate: claim.amzDate,
      signingKey,
      seedSignature: claim.signature,
      payload: claim.payload,
      headers:
        claim.via === 'query' ? withHoistedHeaders(request.headers, parameters) : request.headers,
    };
  }

  #verify(claim: SignatureClaim, secret: string, canonical: string): SigningKey {
    const toSign = stringToSign(canonical, claim);
    const cached = this.#keys.find(claim.credential, secret);
    const signingKey = cached ?? deriveSigningKey(secret, claim.credential.scope);
    if (!sameText(signingKey.sign(toSign), claim.signature)) {
      const { accessKeyId } = claim.credential;
      throw signatureDoesNotMatch({ accessKeyId, signature: claim.signature }, toSign, canonical);
    }
    if (cached === undefined) this.#keys.keep(claim.credential, secret, signingKey);
    return signingKey;
  }

  #checkTime(claim: SignatureClaim): void {
    const nowMs = this.#options.nowMs();
    const aheadMs = claim.requestMs - nowMs;
    if (claim.expiresSeconds !== undefined) {
      const expiresMs = claim.requestMs + claim.expiresSeconds * 1000;
      if (nowMs > expiresMs) {
        throw expired(expiresMs, nowMs, { 'X-Amz-Expires': String(claim.expiresSeconds) });
      }
      if (aheadMs > this.#maxSkewMs)
        throw new AuthError('AccessDenied', 'Request is not yet valid');
    } else if (Math.abs(aheadMs) > this.#maxSkewMs) {
      throw timeTooSkewed(claim.amzDate, nowMs, this.#maxSkewMs);
    }
  }
}

/** The signature that a request claims to have; undefined where it claims none. */
function parseClaim(
  headers: RequestHeaders,
  parameters: readonly QueryParameter[],
  rules: CredentialRules,
): SignatureClaim | SignatureV2Claim | undefined {
  const authorization = headers.get('authorization');
  const inHeader = authorization !== undefined && authorization !== '';
  const inQuery = parameters.length > 0 && isPresigned(parameters);
  const inQueryV2 = parameters.length > 0 && isVersion2Query(parameters);
  if (inHeader ? inQuery || inQueryV2 : inQuery && inQueryV2) {
    throw new AuthError(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query ' +
        'string parameter or the Authorization header should be specified',
      { ArgumentName: 'Authorization', ArgumentValue: authorization ?? '' },
    );
  }
  const claim = inHeader
    ? isVersion2Header(authorization)
      ? parseVersion2Header(authorization, headers)
      : parseAuthorizationHeader(authorization, headers, rules)
    : inQuery
      ? parsePresignedQuery(parameters, headers, rules)
      : inQueryV2
        ? parseVersion2Query(parameters, headers)
        : undefined;
  if (claim !== undefined) refuseSessionToken(headers, parameters);
  return claim;
}

function refuseSessionToken(headers: RequestHeaders, parameters: readonly QueryParameter[]): void {
  const inHeader = headers.has('x-amz-security-token');
  const inQuery = parameters.some(({ name }) => name.toLowerCase() === 'x-amz-security-token');
  // Why: there are no temporary credentials here, so a token cannot be one of ours.
  if (inHeader || inQuery) {
    throw new AuthError('InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
}
