/**
 * `@holdfast/s3`: the S3 API over HTTP. Above it only the server that listens; below it an `ObjectStore`.
 * It knows no storage.
 *
 * @example
 * const s3 = createS3Handler({ store, env, identities });
 * const server = http.createServer({ requireHostHeader: false }, s3.handleRequest);
 * server.on('checkContinue', s3.handleContinue);
 * server.on('clientError', s3.handleClientError);
 *
 * Source: packages/s3/src
 */

export { defaultBucketSettings } from './access/bucket-access.ts';
export type {
  Authentication,
  Authenticator,
  AuthenticatorOptions,
  RawRequest,
  RequestToSign,
  SignerKeys,
} from './auth/index.ts';
export { createAuthenticator, requestHeaders, signRequest } from './auth/index.ts';
export type { AccessKey, Account, Identities, User } from './identities.ts';
export { webhookArn } from './notification/notification-document.ts';
export type { S3HandlerOptions, S3Limits, S3Logger, S3RequestRecord } from './options.ts';
export { DEFAULT_LIMITS } from './options.ts';
export type { Policy } from './policy/index.ts';
export { checkStatements, PolicyError, parseUserPolicy, repeatedName } from './policy/index.ts';
export type { S3Handler } from './s3-handler.ts';
export { createS3Handler } from './s3-handler.ts';
