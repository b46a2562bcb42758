import type { RequestHeaders } from './request-headers.ts';
import type { SigningKey } from './signing-key.ts';

/** What the signature of a request covers, as it came from the socket. */
export interface RawRequest {
  readonly method: string;
  /** Request target as received: path and query, not decoded, not normalised. */
  readonly rawUrl: string;
  readonly headers: RequestHeaders;
}

/**
 * How the body must be checked, from `x-amz-content-sha256`: not at all, against one digest (64
 * lower-case hexadecimal digits), or in aws-chunked encoding with or without signatures and trailers.
 */
export type PayloadCheck =
  | 'unsigned'
  | 'streaming-signed'
  | 'streaming-signed-trailer'
  | 'streaming-unsigned-trailer'
  | { readonly sha256: string };

/** The credential scope: `date/region/service/aws4_request`. */
export interface CredentialScope {
  /** `YYYYMMDD`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  /** All four parts, as they stand in the string to sign. */
  readonly text: string;
}

/** A request without a signature. Whether it may do anything is the caller's decision. */
export interface AnonymousRequest {
  readonly kind: 'anonymous';
  /** Never a signed streaming mode. */
  readonly payload: PayloadCheck;
  /** The request's headers. */
  readonly headers: RequestHeaders;
}

/** A request whose signature was checked. The chunks of a streaming body are still to be checked. */
export interface SignedRequest {
  readonly kind: 'signed';
  /** Where the signature came from. */
  readonly via: 'header' | 'query';
  readonly accessKeyId: string;
  readonly scope: CredentialScope;
  /** `YYYYMMDDTHHMMSSZ`, as signed. */
  readonly amzDate: string;
  /** Derived from the secret: never logged, never sent. */
  readonly signingKey: SigningKey;
  /** The signature of the headers, with which the chunk signatures begin. */
  readonly seedSignature: string;
  readonly payload: PayloadCheck;
  /**
   * The request's headers, and those `x-amz-*` headers that a presigned URL carries as parameters: the
   * SDKs put ACLs, metadata and so on there. Without `x-amz-checksum-*` parameters, which S3 ignores: they
   * are of the empty body that the URL was signed with.
   */
  readonly headers: RequestHeaders;
}

/** A request whose Signature Version 2 was checked. It says nothing about the body. */
export interface SignedVersion2Request {
  readonly kind: 'signed-v2';
  /** Where the signature came from. */
  readonly via: 'header' | 'query';
  readonly accessKeyId: string;
  /** Never a signed streaming mode. */
  readonly payload: PayloadCheck;
  /**
   * The request's headers, and those `x-amz-*` headers, Content-Type and Content-MD5 that a presigned URL
   * carries as parameters: all of them are signed.
   */
  readonly headers: RequestHeaders;
}

export type Authentication = AnonymousRequest | SignedRequest | SignedVersion2Request;
