export { AuthError } from './auth-error.ts';
export type {
  Authentication,
  PayloadCheck,
  RawRequest,
  SignedRequest,
} from './authentication.ts';
export type { Authenticator, AuthenticatorOptions } from './authenticator.ts';
export { createAuthenticator } from './authenticator.ts';
export type { RequestHeaders } from './request-headers.ts';
export { requestHeaders } from './request-headers.ts';
export type { RequestToSign, SignerKeys } from './sign-request.ts';
export { signRequest } from './sign-request.ts';
