import type { Authentication, AuthenticatorOptions, RawRequest } from '../../src/auth/index.ts';
import { AuthError, createAuthenticator } from '../../src/auth/index.ts';
import { ACCESS_KEY, SECRET_KEY, TIME_MS } from './request-signer.ts';

export function authenticate(
  request: RawRequest,
  options: Partial<AuthenticatorOptions> = {},
): Authentication {
  const authenticator = createAuthenticator({
    findSecret: (accessKeyId) => (accessKeyId === ACCESS_KEY ? SECRET_KEY : undefined),
    nowMs: () => TIME_MS,
    region: 'us-east-1',
    ...options,
  });
  return authenticator.authenticate(request);
}

export function refusal(
  request: RawRequest,
  options: Partial<AuthenticatorOptions> = {},
): AuthError {
  try {
    authenticate(request, options);
  } catch (error) {
    if (error instanceof AuthError) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

export function withHeader(
  request: RawRequest,
  name: string,
  value: string | undefined,
): RawRequest {
  const headers = new Map(request.headers);
  if (value === undefined) headers.delete(name);
  else headers.set(name, value);
  return { ...request, headers };
}
