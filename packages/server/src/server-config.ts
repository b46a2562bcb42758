import type { Env } from '@holdfast/env';
import type { BackupSchedule } from './backup-keeper.ts';
import type { ChangeConfig } from './changes/change-services.ts';
import type { ClusterConfig } from './cluster/cluster-config.ts';
import type { Credentials } from './credentials.ts';
import type { Log } from './log.ts';
import type { KeyPairFiles } from './tls/key-pair.ts';
import type { InitContent } from './users/init-file.ts';

/** The account that the server's own credentials are. */
export const OWNER_ID = '686f6c6466617374686f6c6466617374686f6c6466617374686f6c6466617374';
/** Its name. */
export const OWNER_NAME = 'holdfast';

export interface ServerConfig extends ChangeConfig {
  /** The outside. Stays the caller's: `stop` does not close it. */
  readonly env: Env;
  /** Data folder, in `env.files`; made if it is not there. */
  readonly directory: string;
  readonly credentials: Credentials;
  /** Makes the server a node of a cluster. Default: it is alone. */
  readonly cluster?: ClusterConfig;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Serves HTTPS with this certificate, and looks every minute whether it was renewed. Default: HTTP. */
  readonly tls?: KeyPairFiles | undefined;
  /** Default us-east-1. */
  readonly region?: string;
  /** Buckets to make where they are not there yet. */
  readonly buckets?: readonly string[];
  /** Users to store, in place of what is stored of them, and buckets of theirs to make. */
  readonly init?: InitContent;
  /** The keys that seal stored secrets and data keys; never made. Default: `master.key` in the data folder. */
  readonly masterKeyPath?: string;
  /** File of the keys that requests may name (SSE-KMS). Default: none. */
  readonly namedKeyPath?: string;
  /** Makes buckets with ACLs on, as S3 did until April 2023. Default false. */
  readonly bucketAcls?: boolean;
  /** Answers 200 to an owner who makes a bucket again, in every region. Default: in us-east-1 only. */
  readonly recreateBuckets?: boolean;
  /** Answers as Ceph's object gateway where AWS answers otherwise. Default false. */
  readonly answersAsCeph?: boolean;
  /** Takes keys of customers (SSE-C) from other machines without TLS. Default false. */
  readonly customerKeysOverHttp?: boolean;
  /** Files and sockets that the process may have open at once: connections of clients leave some for the store. Default: no limit. */
  readonly openFileLimit?: number | undefined;
  /** Host names below which `bucket.domain` addresses a bucket. */
  readonly domains?: readonly string[];
  /** Host names below which `bucket.domain` is the website of a bucket. */
  readonly websiteDomains?: readonly string[];
  /** Accepts AWS Signature Version 2 beside Version 4. Default true. */
  readonly allowSignatureV2?: boolean;
  readonly log?: Log;
  /** Whether `/_/metrics` is kept and answered. Default true. */
  readonly metrics?: boolean;
  /** Path of a Unix socket on which the owner of the data folder may ask for a backup or a collection. Default: none. */
  readonly controlPath?: string;
  /** Backups that are made without being asked for. Default: none. */
  readonly backup?: BackupSchedule;
  /** Pause between two passes of garbage collection. Default 10 minutes; 0 for none. */
  readonly collectIntervalMs?: number;
  /** How long a day of lifecycle rules is; their rules are applied 24 times in it. Default 24 h. */
  readonly lifecycleDayMs?: number;
  /** Whether lifecycle rules are applied without being asked for. Default true. */
  readonly lifecycle?: boolean;
  /** Requests that take longer are logged and counted as slow. Default 1000. */
  readonly slowAfterMs?: number;
  /** Most bytes that the scrubber reads in a second; 0 for no scrubber, the default. */
  readonly scrubBytesPerSecond?: number;
}
