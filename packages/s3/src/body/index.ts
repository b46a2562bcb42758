export { BodyError } from './body-error.ts';
export type { BodyVerificationOptions } from './body-verification.ts';
export { bodyVerification, digestText } from './body-verification.ts';
export type { DecodeBodyOptions } from './decode-body.ts';
export { decodeBody, storedContentEncoding } from './decode-body.ts';
