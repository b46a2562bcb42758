import type { PayloadCheck } from './authentication.ts';
import type { Credential } from './credential.ts';

/** What a request says about its signature, parsed but not yet believed. */
export interface SignatureClaim {
  readonly via: 'header' | 'query';
  readonly credential: Credential;
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly amzDate: string;
  readonly requestMs: number;
  /** Presigned requests only. */
  readonly expiresSeconds?: number;
  /** Lower-case names joined by semicolons, as signed. */
  readonly signedHeaders: string;
  readonly signature: string;
  /** Last line of the canonical request, as sent. */
  readonly payloadHash: string;
  readonly payload: PayloadCheck;
}
