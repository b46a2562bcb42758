import { concatBytes } from '@holdfast/bytes';
import type { RequestHeaders } from './auth/index.ts';
import { bodyVerification, decodeBody } from './body/index.ts';
import { CHECKSUM_ALGORITHMS } from './checksum-headers.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { malformed, parseXml, type XmlElement } from './xml-reader.ts';

export interface XmlBodyOptions {
  readonly root: string;
  readonly limitBytes: number;
  /** Refuses a document with more tags before it is parsed. */
  readonly maxTags: number;
  /** Refuses a body without Content-MD5 and without a checksum. */
  readonly requireDigest?: boolean;
  /** The checksum headers are not about the document: only Content-MD5 and the payload hash are verified. */
  readonly ignoreChecksums?: boolean;
}

/**
 * Reads, verifies and parses the XML body of a request; undefined where it is empty.
 *
 * @throws S3Error MaxMessageLengthExceeded, MalformedXML, InvalidRequest (no digest); BodyError
 */
export async function readXmlBody(
  call: S3Call,
  options: XmlBodyOptions,
): Promise<XmlElement | undefined> {
  const text = await readTextBody(call, options);
  return text === undefined ? undefined : parseXml(text, options.root, options.maxTags);
}

/** What reading a body as text needs to know. */
export type TextBodyOptions = Omit<XmlBodyOptions, 'root' | 'maxTags'>;

/**
 * Reads and verifies a small body of UTF-8; undefined where it is empty.
 *
 * @throws S3Error MaxMessageLengthExceeded, MalformedXML (not UTF-8), InvalidRequest (no digest); BodyError
 */
export async function readTextBody(
  call: S3Call,
  options: TextBodyOptions,
): Promise<string | undefined> {
  const declared = Number(call.headers.get('content-length') ?? 0);
  if (declared > options.limitBytes * 2) throw new S3Error('MaxMessageLengthExceeded');
  const { payload } = call.authentication;
  const body = decodeBody(call.body, call.authentication, call.headers, { requireLength: false });
  if (body.sizeBytes !== undefined && body.sizeBytes > options.limitBytes) {
    throw new S3Error('MaxMessageLengthExceeded');
  }
  if (options.requireDigest) requireDigest(call, body.declaredTrailers);
  const headers = options.ignoreChecksums ? withoutChecksums(call.headers) : call.headers;
  const verification = bodyVerification(headers, body, payload);
  const bytes = await collect(body.pieces, options.limitBytes);
  const digests = call.service.env.digests.compute(['md5', ...verification.digests], bytes);
  verification.accept(digests, bytes.byteLength);
  return bytes.byteLength === 0 ? undefined : decodeText(bytes);
}

function requireDigest(call: S3Call, trailers: readonly string[]): void {
  for (const name of call.headers.keys()) {
    if (name === 'content-md5' || isChecksumName(name)) return;
  }
  if (trailers.some(isChecksumName)) return;
  throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5');
}

function withoutChecksums(headers: RequestHeaders): RequestHeaders {
  return new Map([...headers].filter(([name]) => !name.startsWith('x-amz-checksum-')));
}

function isChecksumName(name: string): boolean {
  return CHECKSUM_ALGORITHMS.some((algorithm) => name === `x-amz-checksum-${algorithm}`);
}

async function collect(pieces: AsyncIterable<Uint8Array>, limitBytes: number): Promise<Uint8Array> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.byteLength;
    if (size > limitBytes) throw new S3Error('MaxMessageLengthExceeded');
    kept.push(piece.slice());
  }
  return concatBytes(kept);
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed(cause);
  }
}
