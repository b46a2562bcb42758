import type { BodySource, BodyVerification, ChecksumAlgorithm } from '@holdfast/objects';
import { bodyVerification, decodeBody } from './body/index.ts';
import type { S3Call } from './s3-call.ts';

/** The body of a put and what it must hash to. */
export interface ObjectBody {
  readonly body: BodySource;
  readonly verification: BodyVerification;
}

/**
 * Prepares the body of PutObject or UploadPart; nothing is read yet. `defaultAlgorithm` is computed and stored
 * where the client names no checksum.
 *
 * @throws BodyError for headers that are wrong by themselves
 */
export function readObjectBody(
  call: S3Call,
  defaultAlgorithm: ChecksumAlgorithm | undefined,
): ObjectBody {
  const { authentication, headers, service } = call;
  const body = decodeBody(call.body, authentication, headers, {
    maxSizeBytes: service.limits.objectSizeBytes,
  });
  const verification = bodyVerification(
    headers,
    body,
    authentication.payload,
    defaultAlgorithm === undefined ? {} : { defaultAlgorithm },
  );
  return { body, verification };
}
