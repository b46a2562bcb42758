import type { Env } from '@holdfast/env';
import type { ObjectStore } from '@holdfast/objects';
import { BucketAccessReader } from './access/bucket-access.ts';
import type { Identities } from './identities.ts';
import { LifecycleReader } from './lifecycle/lifecycle-headers.ts';
import { SmallAnswers } from './small-answers.ts';

/** What the S3 API needs from the composition root. Nothing else is read, and nothing is global. */
export interface S3HandlerOptions {
  readonly store: ObjectStore;
  /** Clock for dates and limits of waiting, randomness for request ids, digests for XML bodies. */
  readonly env: Pick<Env, 'clock' | 'digests' | 'random'>;
  /** Everybody who has an access key. */
  readonly identities: Identities;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** Hosts whose subdomains are buckets: `s3.localhost` makes `a.s3.localhost` mean bucket `a`. */
  readonly domains?: readonly string[];
  /** Hosts whose subdomains are the websites of buckets. */
  readonly websiteDomains?: readonly string[];
  /** Accepts AWS Signature Version 2 beside Version 4. Default true: some clients presign with it. */
  readonly allowSignatureV2?: boolean;
  /** Makes buckets with ACLs on, as S3 did until April 2023. Default false: BucketOwnerEnforced. */
  readonly bucketAcls?: boolean;
  /** Answers 200 to an owner who makes a bucket again, in every region. Default: in us-east-1 only. */
  readonly recreateBuckets?: boolean;
  /** Answers as Ceph's object gateway where AWS answers otherwise. Default false. */
  readonly answersAsCeph?: boolean;
  /** Takes keys of customers (SSE-C) from other machines over HTTP without TLS. Default false. */
  readonly customerKeysOverHttp?: boolean;
  /** Whether the operator has set up a target of notifications by the name. Default: there is none. */
  readonly isNotificationTarget?: (name: string) => boolean;
  /** What the message of a ServiceUnavailable says; undefined, and by default: S3's own text. */
  readonly unavailableBecause?: () => string | undefined;
  readonly logger?: S3Logger;
  /** Called once a request, after its answer is written or its connection is gone. Must not throw. */
  readonly onRequest?: (record: S3RequestRecord) => void;
  readonly limits?: Partial<S3Limits>;
}

/** The part of pino's interface that is used. */
export interface S3Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** One line of an access log; the source of metrics. */
export interface S3RequestRecord {
  /** S3's name for it: `PutObject`; `Unknown` where the request was refused before that was decided. */
  readonly operation: string;
  /** Status that was sent; 499 where the client left before one could be. */
  readonly status: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** S3's error code; undefined for a success. */
  readonly errorCode: string | undefined;
  readonly requestId: string;
}

export interface S3Limits {
  /** Largest body of PutObject, UploadPart. AWS: 5 GiB. */
  readonly objectSizeBytes: number;
  /** Largest XML body but for the two that follow. */
  readonly xmlSizeBytes: number;
  /** Largest XML body of CompleteMultipartUpload: 10,000 parts with checksums take 1.6 MiB. */
  readonly completeXmlSizeBytes: number;
  /** Largest XML body of DeleteObjects. */
  readonly deleteXmlSizeBytes: number;
  /** User metadata: names and values together. AWS: 2 KiB. */
  readonly userMetadataBytes: number;
  /** How much of an unwanted body is read so that the client gets to read its error. */
  readonly drainBytes: number;
  /** Longest time for that. */
  readonly drainMs: number;
  /** Longest wait for the next bytes of a request body. */
  readonly bodyIdleMs: number;
  /** Slowest average of a request body, beyond the first `bodyIdleMs` of waiting for it. */
  readonly bodyBytesPerSecond: number;
  /** Longest wait for the client to take bytes of an answer. */
  readonly answerStallMs: number;
  /** CompleteMultipartUpload sends white space when it takes longer than this, and again after it. */
  readonly keepAliveMs: number;
}

/** The defaults of `S3Limits`. */
export const DEFAULT_LIMITS: S3Limits = {
  objectSizeBytes: 5 * 1024 ** 3,
  xmlSizeBytes: 1024 ** 2,
  completeXmlSizeBytes: 4 * 1024 ** 2,
  deleteXmlSizeBytes: 2 * 1024 ** 2,
  userMetadataBytes: 2048,
  drainBytes: 8 * 1024 ** 2,
  drainMs: 5_000,
  bodyIdleMs: 60_000,
  bodyBytesPerSecond: 1024,
  answerStallMs: 120_000,
  keepAliveMs: 5_000,
};

/** The options with every default filled in; shared by all requests of a handler. */
export interface S3Service {
  readonly store: ObjectStore;
  readonly env: Pick<Env, 'clock' | 'digests' | 'random'>;
  readonly identities: Identities;
  readonly bucketAccess: BucketAccessReader;
  readonly lifecycles: LifecycleReader;
  readonly bucketAcls: boolean;
  readonly recreateBuckets: boolean;
  readonly answersAsCeph: boolean;
  readonly customerKeysOverHttp: boolean;
  readonly region: string;
  readonly domains: readonly string[];
  readonly websiteDomains: readonly string[];
  readonly allowSignatureV2: boolean;
  readonly isNotificationTarget: (name: string) => boolean;
  readonly unavailableBecause: () => string | undefined;
  readonly logger: S3Logger;
  readonly onRequest: ((record: S3RequestRecord) => void) | undefined;
  readonly limits: S3Limits;
  /** `x-amz-id-2`: names the handler instance, not the request. */
  readonly hostId: string;
  readonly smallAnswers: SmallAnswers;
}

const SILENT: S3Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Fills in the defaults. */
export function resolveOptions(options: S3HandlerOptions): S3Service {
  const region = options.region ?? 'us-east-1';
  return {
    store: options.store,
    env: options.env,
    identities: options.identities,
    bucketAccess: new BucketAccessReader(),
    lifecycles: new LifecycleReader(),
    bucketAcls: options.bucketAcls ?? false,
    customerKeysOverHttp: options.customerKeysOverHttp ?? false,
    // Source: AWS API reference, "CreateBucket", BucketAlreadyOwnedByYou.
    recreateBuckets: region === 'us-east-1' || (options.recreateBuckets ?? false),
    answersAsCeph: options.answersAsCeph ?? false,
    region,
    domains: (options.domains ?? []).map((domain) => domain.toLowerCase()),
    websiteDomains: (options.websiteDomains ?? []).map((domain) => domain.toLowerCase()),
    allowSignatureV2: options.allowSignatureV2 ?? true,
    isNotificationTarget: options.isNotificationTarget ?? (() => false),
    unavailableBecause: options.unavailableBecause ?? (() => undefined),
    logger: options.logger ?? SILENT,
    onRequest: options.onRequest,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    hostId: Buffer.from(options.env.random.bytes(48)).toString('base64'),
    smallAnswers: new SmallAnswers(options.env.clock),
  };
}
