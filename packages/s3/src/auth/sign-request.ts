import { hash } from 'node:crypto';
import { formatAmzDate } from './amz-date.ts';
import { canonicalRequest, stringToSign } from './canonical-request.ts';
import { queryParameters, splitTarget } from './canonical-url.ts';
import { requestHeaders } from './request-headers.ts';
import { deriveSigningKey } from './signing-keys.ts';

/** A request of our own, to a server whose keys we know. */
export interface RequestToSign {
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly target: string;
  /** As the `Host` header says it. */
  readonly host: string;
  /** Default: none. */
  readonly body?: Uint8Array;
}

export interface SignerKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/**
 * The headers with which the request is authenticated by Signature Version 4; `Host` is among them.
 *
 * Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header".
 */
export function signRequest(
  request: RequestToSign,
  keys: SignerKeys,
  nowMs: number,
): Record<string, string> {
  const amzDate = formatAmzDate(nowMs);
  const payloadHash = hash('sha256', request.body ?? new Uint8Array(0), 'hex');
  const headers = {
    host: request.host,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': amzDate,
  };
  const { accessKeyId, secretAccessKey, region } = keys;
  const date = amzDate.slice(0, 8);
  const scope = { date, region, service: 's3', text: `${date}/${region}/s3/aws4_request` };
  const credential = { text: `${accessKeyId}/${scope.text}`, accessKeyId, scope };
  const signedHeaders = Object.keys(headers).join(';');
  const claim = {
    via: 'header' as const,
    credential,
    amzDate,
    requestMs: nowMs,
    signedHeaders,
    signature: '',
    payloadHash,
    payload: { sha256: payloadHash },
  };
  const { path, query = '' } = splitTarget(request.target);
  const canonical = canonicalRequest(
    {
      method: request.method,
      rawUrl: request.target,
      headers: requestHeaders(Object.entries(headers).flat()),
    },
    path,
    queryParameters(query),
    claim,
  );
  const signingKey = deriveSigningKey(secretAccessKey, scope);
  const signature = signingKey.sign(stringToSign(canonical, claim));
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential.text}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
  };
}
