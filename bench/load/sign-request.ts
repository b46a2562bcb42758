import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** What to sign. The path is already percent-encoded; the query is empty. */
export interface UnsignedRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly host: string;
  readonly body: Uint8Array;
  /** Sent as UNSIGNED-PAYLOAD: for bodies that the generator does not want to hash. */
  readonly unsignedPayload?: boolean;
  /** With its CRC-32 in a header, as today's SDKs send by default. */
  readonly crc32?: boolean;
}

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** The request's head, ready for the wire, signed with Signature Version 4 in its header. */
export function signedHead(request: UnsignedRequest, keys: SigningKeys): Buffer {
  const amzDate = new Date(keys.nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = amzDate.slice(0, 8);
  const payload = request.unsignedPayload
    ? 'UNSIGNED-PAYLOAD'
    : createHash('sha256').update(request.body).digest('hex');
  const headers: [string, string][] = [
    ['host', request.host],
    ['x-amz-content-sha256', payload],
    ['x-amz-date', amzDate],
  ];
  if (request.crc32 === true) headers.splice(1, 0, ['x-amz-checksum-crc32', crc32Of(request.body)]);
  const signedHeaders = headers.map(([name]) => name).join(';');
  const canonical = [
    request.method,
    request.path,
    '',
    ...headers.map(([name, value]) => `${name}:${value}`),
    '',
    signedHeaders,
    payload,
  ].join('\n');
  const scope = `${day}/${keys.region}/s3/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  let key: Buffer | string = `AWS4${keys.secretAccessKey}`;
  for (const part of [day, keys.region, 's3', 'aws4_request']) {
    key = createHmac('sha256', key).update(part).digest();
  }
  const signature = createHmac('sha256', key).update(toSign).digest('hex');
  return Buffer.from(
    [
      `${request.method} ${request.path} HTTP/1.1`,
      `content-length: ${request.body.length}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
      `authorization: AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
      '',
      '',
    ].join('\r\n'),
  );
}

function crc32Of(body: Uint8Array): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}
