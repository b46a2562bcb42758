import type { PayloadCheck, SignedRequest } from '../../src/auth/index.ts';
import { SigningKey } from '../../src/auth/signing-key.ts';
import {
  ACCESS_KEY,
  AMZ_DATE,
  hmac,
  SECRET_KEY,
  SHA256_OF_NOTHING,
  sha256,
  signingKeyBytes,
} from '../auth/request-signer.ts';

/** An encoder of aws-chunked bodies that shares no code with the decoder that is tested. */
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const KEY = signingKeyBytes(SECRET_KEY, SCOPE);

export function signedUpload(
  payload: PayloadCheck,
  seedSignature: string = '0'.repeat(64),
): SignedRequest {
  return {
    kind: 'signed',
    via: 'header',
    accessKeyId: ACCESS_KEY,
    scope: { date: '20130524', region: 'us-east-1', service: 's3', text: SCOPE },
    amzDate: AMZ_DATE,
    signingKey: new SigningKey(KEY),
    seedSignature,
    payload,
    headers: new Map(),
  };
}

export interface EncodeOptions {
  readonly signed: boolean;
  readonly trailers?: Readonly<Record<string, string>>;
  readonly seedSignature?: string;
  /** Line end of trailers: the standard's, or what some clients send. */
  readonly trailerEnd?: '\r\n' | '\n\r\n';
}

export interface Encoded {
  readonly bytes: Buffer;
  /** Of the chunks, the empty one included, and of the trailers. */
  readonly signatures: readonly string[];
}

export function encodeChunks(chunks: readonly Uint8Array[], options: EncodeOptions): Encoded {
  const signatures: string[] = [];
  let previous = options.seedSignature ?? '0'.repeat(64);
  const sign = (algorithm: string, payload: string): string => {
    const toSign = `${algorithm}\n${AMZ_DATE}\n${SCOPE}\n${previous}\n${payload}`;
    previous = hmac(KEY, toSign).toString('hex');
    signatures.push(previous);
    return previous;
  };
  const parts: Uint8Array[] = [];
  for (const chunk of [...chunks, new Uint8Array()]) {
    const payload = `${SHA256_OF_NOTHING}\n${sha256(chunk)}`;
    const extension = options.signed
      ? `;chunk-signature=${sign('AWS4-HMAC-SHA256-PAYLOAD', payload)}`
      : '';
    parts.push(Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk);
    if (chunk.length > 0) parts.push(Buffer.from('\r\n'));
  }
  const end = options.trailerEnd ?? '\r\n';
  if (options.trailers !== undefined) {
    const lines = Object.entries(options.trailers).map(([name, value]) => `${name}:${value}`);
    parts.push(Buffer.from(lines.map((line) => line + end).join('')));
    if (options.signed) {
      const digest = sha256(lines.map((line) => `${line}\n`).join(''));
      const signature = sign('AWS4-HMAC-SHA256-TRAILER', digest);
      parts.push(Buffer.from(`x-amz-trailer-signature:${signature}${end}`));
    }
  }
  parts.push(Buffer.from('\r\n'));
  return { bytes: Buffer.concat(parts), signatures };
}
