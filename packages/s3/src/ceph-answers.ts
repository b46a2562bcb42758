/**
 * Where Ceph's object gateway answers otherwise than AWS, for who comes from it (`serve --answers-as-ceph`). What is decided is the
 * same, but for what callers of `S3Service.answersAsCeph` say.
 *
 * Source: ceph/s3-tests, where it differs from what AWS was recorded to answer (ADR 0041).
 */
import type { S3ErrorCode } from './error-table.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';

/** By operation and the code of AWS. */
const CODES: ReadonlyMap<string, S3ErrorCode> = new Map([
  ['GetObject InvalidPartNumber', 'InvalidPart'],
  ['HeadObject InvalidPartNumber', 'InvalidPart'],
  ['PutObjectTagging BadRequest', 'InvalidTag'],
  ['PutObjectLockConfiguration InvalidArgument', 'InvalidRetentionPeriod'],
]);

/** By the code of AWS and its words, where the code alone says too little. */
const SAID: readonly (readonly [S3ErrorCode, RegExp, S3ErrorCode])[] = [
  ['InvalidRequest', /^Value for x-amz-checksum-\w+ (trailing )?header is invalid/, 'BadDigest'],
  ['AuthorizationQueryParametersError', /^X-Amz-Expires must be /, 'AccessDenied'],
  ['InvalidRequest', /^You must specify at least one part$/, 'MalformedXML'],
  ['AccessDenied', /must provide the correct secret key\.$/, 'InvalidRequest'],
];

/** The refusal as it is answered: AWS's, or that of Ceph where the server is to answer as Ceph. */
export function inAskedWords(call: S3Call, refusal: S3Error): S3Error {
  if (!call.service.answersAsCeph) return refusal;
  const said = SAID.find(([code, words]) => code === refusal.code && words.test(refusal.message));
  const code = said?.[2] ?? CODES.get(`${call.operation} ${refusal.code}`);
  return code === undefined ? refusal : new S3Error(code, refusal.message, refusal.fields);
}
