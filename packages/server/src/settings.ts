import { z } from 'zod';
import type { ClusterSettings } from './cluster/cluster-settings.ts';
import { clusterOptionsOf, parseClusterSettings } from './cluster/cluster-settings.ts';
import { isBlockedPort, type Webhook } from './events/webhook.ts';
import { SettingsError } from './settings-error.ts';

/** What `holdfast serve` runs with, checked. */
export interface ServeSettings {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  /** Files of the certificate and its key, in PEM: both or neither. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly buckets: readonly string[];
  readonly region: string;
  readonly domains: readonly string[];
  readonly websiteDomains: readonly string[];
  /** Whether AWS Signature Version 2 is accepted beside Version 4. */
  readonly signatureV2: boolean;
  /** File with users and buckets that there must be. */
  readonly init?: string | undefined;
  /** File with the key that seals stored secrets. */
  readonly masterKeyFile?: string | undefined;
  /** File with the keys that requests may name. */
  readonly kmsKeyFile?: string | undefined;
  /** Whether buckets are made with ACLs on. */
  readonly bucketAcls: boolean;
  readonly recreateBuckets: boolean;
  readonly answersAsCeph: boolean;
  /** Whether keys of customers are taken from other machines without TLS. */
  readonly sseCOverHttp: boolean;
  readonly logLevel: LogLevel;
  /** Seconds between two passes of garbage collection. */
  readonly collectEvery: number;
  /** Milliseconds that lifecycle rules count as a day. */
  readonly lifecycleDayMs: number;
  /** Milliseconds after which a request is logged as slow. */
  readonly slowAfter: number;
  /** Bytes a second that the scrubber reads; 0 for none. */
  readonly scrubRate: number;
  /** What is done with a damaged folder at the start. */
  readonly recovery: RecoveryPolicy;
  /** Folder for scheduled backups. */
  readonly backupTo?: string | undefined;
  /** Targets of notifications. */
  readonly webhooks: readonly Webhook[];
  /** Milliseconds that changes are kept for the feed; 0 for no feed. */
  readonly keepChanges: number;
  /** Milliseconds between two of them. */
  readonly backupEvery: number;
  /** How many are kept. */
  readonly backupKeep: number;
  /** File with the key pair. */
  readonly credentialsFile?: string | undefined;
  /** What makes the server a node of a cluster. */
  readonly cluster?: ClusterSettings | undefined;
  /** Whether the key pair takes the place of the one that the cluster knows. */
  readonly replaceRootKeys: boolean;
  /** Whether the end of the input stops the server, as a signal does. */
  readonly untilInputEnds: boolean;
}

export const RECOVERY_POLICIES = ['fail-closed', 'repair-from-peers'] as const;
export type RecoveryPolicy = (typeof RECOVERY_POLICIES)[number];

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

type Environment = Readonly<Record<string, string | undefined>>;

const BACKUP_EVERY_MS = 3_600_000;
const BACKUPS_KEPT = 24;

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const list = z
  .array(z.string())
  .transform((texts) => texts.flatMap((text) => text.split(',')).map((name) => name.trim()))
  .transform((names) => [...new Set(names.filter((name) => name !== ''))]);

const areHostNames = (names: readonly string[]): boolean =>
  names.every((name) => /^[A-Za-z0-9.-]+$/.test(name));

const WEBHOOK_SYNTAX =
  '--webhook is name=url: a name of small letters, digits and hyphens, and an http or https address without keys in it.';

function readWebhook(text: string): Webhook {
  const equals = text.indexOf('=');
  return { name: text.slice(0, Math.max(0, equals)), url: text.slice(equals + 1) };
}

function isWebhook(text: string): boolean {
  const { name, url } = readWebhook(text);
  const parsed = URL.parse(url);
  // A client of HTTP does not take keys in an address.
  const isPlain = parsed !== null && parsed.username === '' && parsed.password === '';
  return /^[a-z0-9-]{1,64}$/.test(name) && isPlain && /^https?:$/.test(parsed.protocol);
}

/** The port that nothing can be sent to, where the address has one. */
function blockedPort(text: string): string | undefined {
  const port = URL.parse(readWebhook(text).url)?.port ?? '';
  return port !== '' && isBlockedPort(Number(port)) ? port : undefined;
}

const serveSchema = z.object({
  data: z.string().min(1, '--data needs the path of a folder.'),
  host: z
    .string()
    .min(1, '--host needs an address, such as 127.0.0.1.')
    .regex(/^[A-Za-z0-9.:_-]+$/, '--host is an address or a name, such as 127.0.0.1 or ::1.'),
  port: z
    .string()
    .regex(/^\d{1,5}$/, '--port is a number from 0 to 65535.')
    .transform(Number)
    .refine((port) => port <= 65_535, '--port is a number from 0 to 65535.'),
  tlsCert: z.string().min(1, '--tls-cert needs the path of a file.').optional(),
  tlsKey: z.string().min(1, '--tls-key needs the path of a file.').optional(),
  bucket: list,
  region: z
    .string()
    .regex(
      /^[a-z0-9-]{1,64}$/,
      '--region is a name such as us-east-1: small letters, digits, hyphens.',
    ),
  domain: list.refine(
    areHostNames,
    '--domain is a host name such as s3.example.com, without a port.',
  ),
  websiteDomain: list
    .refine(
      areHostNames,
      '--website-domain is a host name such as web.example.com, without a port.',
    )
    .default([]),
  signatureV2: z.boolean().default(true),
  init: z.string().min(1, '--init needs the path of a file.').optional(),
  masterKeyFile: z.string().min(1, '--master-key-file needs the path of a file.').optional(),
  kmsKeyFile: z.string().min(1, '--kms-key-file needs the path of a file.').optional(),
  bucketAcls: z.boolean().default(false),
  recreateBuckets: z.boolean().default(false),
  answersAsCeph: z.boolean().default(false),
  sseCOverHttp: z.boolean().default(false),
  collectEvery: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, '--collect-every is a number of seconds, 1 or more.')
    .transform(Number),
  lifecycleDaySeconds: z
    .string()
    .regex(/^[1-9]\d{0,4}$/, '--lifecycle-day-seconds is a number of seconds from 1 to 86400.')
    .transform(Number)
    .refine(
      (seconds) => seconds <= 86_400,
      '--lifecycle-day-seconds is a number of seconds from 1 to 86400.',
    )
    .default(86_400),
  slowAfter: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, '--slow-after is a number of milliseconds, 1 or more.')
    .transform(Number),
  scrubRate: z
    .string()
    .regex(/^\d{1,12}$/, '--scrub-rate is a number of bytes a second; 0 for no scrubber.')
    .transform(Number),
  recovery: z.enum(RECOVERY_POLICIES, `--recovery is one of ${RECOVERY_POLICIES.join(', ')}.`),
  backupTo: z.string().min(1, '--backup-to needs the path of a folder.').optional(),
  backupEvery: z
    .string()
    .regex(/^[1-9]\d{0,4}[smhd]$/, '--backup-every is a time such as 30m, 1h or 1d.')
    .transform((text) => Number(text.slice(0, -1)) * (UNITS_MS.get(text.slice(-1)) ?? 1))
    // Why: timers hold 31 bits of milliseconds.
    .refine((ms) => ms <= 20 * 86_400_000, '--backup-every is 20 days at most.')
    .optional(),
  webhook: list
    .refine((texts) => texts.every(isWebhook), WEBHOOK_SYNTAX)
    .superRefine((texts, context) => {
      for (const port of texts.map(blockedPort)) {
        if (port === undefined) continue;
        const message = `--webhook cannot use port ${port}: the client of HTTP blocks it, as browsers do. Choose another one.`;
        context.addIssue({ code: 'custom', message });
      }
    })
    .refine(
      (texts) => new Set(texts.map((text) => readWebhook(text).name)).size === texts.length,
      '--webhook names each target once.',
    )
    .default([]),
  keepChanges: z
    .string()
    .regex(/^[1-9]\d{0,4}[smhd]$/, '--keep-changes is a time such as 1h, 24h or 7d.')
    .transform((text) => Number(text.slice(0, -1)) * (UNITS_MS.get(text.slice(-1)) ?? 1))
    .default(0),
  backupKeep: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, '--backup-keep is a number of backups, 1 or more.')
    .transform(Number)
    .optional(),
  logLevel: z.enum(LOG_LEVELS, `--log-level is one of ${LOG_LEVELS.join(', ')}.`),
  credentialsFile: z.string().min(1, '--credentials-file needs the path of a file.').optional(),
  node: z.string().optional(),
  cluster: z.string().optional(),
  clusterSecretFile: z.string().optional(),
  peerListen: z.string().optional(),
  join: z.boolean().optional(),
  clusterId: z.string().optional(),
  replaceRootKeys: z.boolean().default(false),
  untilInputEnds: z.boolean().default(false),
});

/**
 * Checks what the command line gave, and of a cluster also what the environment did. Throws a SettingsError that says
 * all that is wrong.
 */
export function parseServeSettings(raw: unknown, environment: Environment = {}): ServeSettings {
  const result = serveSchema.safeParse(raw);
  const problems = (result.error?.issues ?? []).map((issue) => issue.message);
  const options = clusterOptionsOf(result.data ?? {}, environment);
  const cluster = result.success ? parseClusterSettings(options) : undefined;
  if (isList(cluster)) problems.push(...cluster);
  if (result.success) problems.push(...orphans(result.data, cluster === undefined));
  if (result.data?.recovery === 'repair-from-peers' && cluster === undefined) {
    problems.push(
      '--recovery repair-from-peers needs peers, and this is a single node: use fail-closed.',
    );
  }
  if (!result.success || isList(cluster) || problems.length > 0) {
    throw new SettingsError(problems.join('\n'));
  }
  const { bucket, domain, websiteDomain, webhook, lifecycleDaySeconds, ...rest } = result.data;
  const lifecycleDayMs = lifecycleDaySeconds * 1000;
  return {
    ...rest,
    backupEvery: rest.backupEvery ?? BACKUP_EVERY_MS,
    backupKeep: rest.backupKeep ?? BACKUPS_KEPT,
    cluster,
    lifecycleDayMs,
    webhooks: webhook.map(readWebhook),
    buckets: bucket,
    domains: domain,
    websiteDomains: websiteDomain,
  };
}

/** Options that would do nothing beside the others. */
function orphans(data: z.infer<typeof serveSchema>, isAlone: boolean): readonly string[] {
  const { backupTo, backupEvery, backupKeep, replaceRootKeys, tlsCert, tlsKey } = data;
  const ofBackups = [
    backupEvery !== undefined && '--backup-every',
    backupKeep !== undefined && '--backup-keep',
  ].filter((name) => name !== false);
  return [
    ...((tlsCert === undefined) === (tlsKey === undefined)
      ? []
      : ['--tls-cert and --tls-key belong together: give both.']),
    ...(backupTo === undefined ? ofBackups : []).map(
      (name) => `${name} is for --backup-to: give the folder of the backups too.`,
    ),
    ...(replaceRootKeys && isAlone
      ? [
          '--replace-root-keys is for a node of a cluster: a server that is alone takes new keys by itself.',
        ]
      : []),
  ];
}

function isList(
  value: ClusterSettings | readonly string[] | undefined,
): value is readonly string[] {
  return Array.isArray(value);
}
