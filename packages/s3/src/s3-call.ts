import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ObjectStore } from '@holdfast/objects';
import type { OpenBucket } from './access/authorize.ts';
import type { Authentication, RequestHeaders } from './auth/index.ts';
import type { User } from './identities.ts';
import type { S3Service } from './options.ts';
import { RequestBody } from './request-body.ts';
import type { RequestTarget } from './request-target.ts';
import { S3Error } from './s3-error.ts';

/** One request on its way through: what it asks, who asks, and what was answered. */
export class S3Call {
  readonly service: S3Service;
  /** What the request reads and writes. */
  store: ObjectStore;
  /** Whether what `store` shows is of now; otherwise only a commit proves it (`tryAtHand`). */
  isProven = true;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly method: string;
  /** As sent; once authenticated, with the headers that a presigned query carries. */
  headers: RequestHeaders;
  readonly requestId: string;
  readonly startMs: number;
  readonly #expectContinue: boolean;
  #body: RequestBody | undefined;
  #target: RequestTarget | undefined;
  #authentication: Authentication | undefined;
  #openBucket: OpenBucket | undefined;
  /** Who signed; undefined where nobody did. */
  user: User | undefined;
  /** How the form was signed that this request is, as `s3:signatureversion` says it; undefined where it is none. */
  formSignature: 'AWS4-HMAC-SHA256' | 'AWS' | undefined;
  /** S3's name of the operation, once it is known. */
  operation = 'Unknown';
  /** Asked at a website's host: pages for browsers, and refusals as pages too. */
  website = false;
  /** What lets a page of another origin read the answer, as name, value, name, value. */
  corsHeaders: readonly string[] = [];
  status = 0;
  bytesOut = 0;
  errorCode: string | undefined;

  constructor(
    service: S3Service,
    req: IncomingMessage,
    res: ServerResponse,
    options: {
      readonly headers: RequestHeaders;
      readonly requestId: string;
      readonly expectContinue: boolean;
    },
  ) {
    this.service = service;
    this.store = service.store;
    this.req = req;
    this.res = res;
    this.method = req.method ?? 'GET';
    this.headers = options.headers;
    this.requestId = options.requestId;
    this.startMs = service.env.clock.monotonicMs();
    this.#expectContinue = options.expectContinue;
  }

  get target(): RequestTarget {
    if (this.#target === undefined) throw new Error('the target is not resolved yet');
    return this.#target;
  }

  set target(target: RequestTarget) {
    this.#target = target;
  }

  /** undefined where the request was refused before its target could be read. */
  get knownTarget(): RequestTarget | undefined {
    return this.#target;
  }

  /** Whether the request came over TLS that ends here. What a proxy in between speaks is not known. */
  get isSecure(): boolean {
    const { socket } = this.req;
    return 'encrypted' in socket && socket.encrypted === true;
  }

  /** Of the addresses that its client would use. */
  get scheme(): 'http' | 'https' {
    return this.isSecure ? 'https' : 'http';
  }

  get bucket(): string {
    return this.target.bucket;
  }

  get key(): string {
    return this.target.key;
  }

  get authentication(): Authentication {
    if (this.#authentication === undefined) throw new Error('not authenticated yet');
    return this.#authentication;
  }

  set authentication(authentication: Authentication) {
    this.#authentication = authentication;
    this.headers = authentication.headers;
  }

  /** Who signed. @throws S3Error AccessDenied where nobody did */
  get requester(): User {
    if (this.user === undefined) throw new S3Error('AccessDenied');
    return this.user;
  }

  /** The bucket of the request, as it was when the request was authorized. */
  get openBucket(): OpenBucket {
    if (this.#openBucket === undefined) throw new Error('no bucket is open');
    return this.#openBucket;
  }

  set openBucket(open: OpenBucket) {
    this.#openBucket = open;
  }

  /** What a write says of the bucket by which the request was authorized (`JudgedWrite`). */
  get judgedVersion(): number | undefined {
    return this.isProven ? undefined : this.openBucket.bucket.version;
  }

  /** The raw body, before aws-chunked is decoded. Made on first use: most requests have none. */
  get body(): RequestBody {
    this.#body ??= new RequestBody(this.req, this.res, this.service.env.clock, {
      expectContinue: this.#expectContinue,
      idleMs: this.service.limits.bodyIdleMs,
      leastBytesPerSecond: this.service.limits.bodyBytesPerSecond,
    });
    return this.#body;
  }

  get bytesIn(): number {
    return this.#body?.bytesRead ?? 0;
  }

  /** Whether bytes of the request are still to come from the client. */
  get bodyPending(): boolean {
    if (this.req.complete) return false;
    const length = this.headers.get('content-length');
    return (length !== undefined && length !== '0') || this.headers.has('transfer-encoding');
  }

  /** One query parameter; undefined where it is missing. */
  parameter(name: string): string | undefined {
    return this.target.query.get(name);
  }
}

/** Handles one operation: parses, calls the store, answers once. Throws what `answerError` explains. */
export type Operation = (call: S3Call) => Promise<void>;
