import type { Env } from '@holdfast/env';
import { keepNames, makeDurableDirectory } from '@holdfast/env';
import { z } from 'zod';
import { randomText } from './random-text.ts';
import { writeSecretOnce } from './secret-file.ts';
import { SettingsError } from './settings-error.ts';
import { parseJson, readTextFile } from './text-file.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface ResolvedCredentials extends Credentials {
  /** `generated`: made just now and saved. `file`: read from the data folder. */
  readonly origin: 'environment' | 'file' | 'generated';
  /** The variable that the secret came from. */
  readonly secretVariable?: string;
  /** The operator's file that the secret came from. */
  readonly secretFile?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const FILE_NAME = 'credentials.json';
const FILE_LIMIT_BYTES = 64 * 1024;

/** Pairs of variables that are understood, the first complete one counts. */
const VARIABLE_PAIRS = [
  ['HOLDFAST_ACCESS_KEY', 'HOLDFAST_SECRET_KEY'],
  ['MINIO_ROOT_USER', 'MINIO_ROOT_PASSWORD'],
] as const;

/** Secrets that stand in every manual: whoever finds the port tries them first. */
const WELL_KNOWN_SECRETS: readonly string[] = [
  'minioadmin',
  'minio123',
  'minio12345',
  'test',
  'testing',
  'holdfast',
  'admin',
  'password',
  'password123',
  'secret',
  'changeme',
  'root',
  'rustfsadmin',
  'S3RVER',
  'secretkey',
  'secret-key',
  'accessSecretKey',
  'verySecretKey1',
  'localstack',
  'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
];

/** What an access key may look like. */
export const accessKeyIdSchema: z.ZodString = z
  .string()
  .min(3, 'the access key needs at least 3 characters')
  .max(128, 'the access key may have at most 128 characters')
  // Why: a slash, a comma or an equals sign ends the access key inside an Authorization header.
  .regex(/^[\x21-\x7e]+$/, 'the access key may have only printable ASCII characters, no spaces')
  .regex(/^[^/,=]+$/, 'the access key may not contain a slash, a comma or an equals sign');

/** What a secret key may look like. */
export const secretAccessKeySchema: z.ZodString = z
  .string()
  .min(4, 'the secret key needs at least 4 characters')
  .max(1024, 'the secret key may have at most 1024 characters');

const credentialsSchema = z.object({
  accessKeyId: accessKeyIdSchema,
  secretAccessKey: secretAccessKeySchema,
});

/** Where else a pair may come from than from the environment. */
export interface CredentialPlace {
  /** A file of the operator's; never made. Default: `credentials.json` in the data folder. */
  readonly file?: string | undefined;
  /** Whether a pair may be made. Not on a node of a cluster, whose pair is that of the others. Default true. */
  readonly mayGenerate?: boolean;
}

/**
 * From the environment, else from a file: the operator's, or `credentials.json` in the data folder, where a pair is
 * generated and saved if there is none (mode 0600, durable before this resolves; of two processes that generate at
 * once one wins and both use its pair). Throws a SettingsError for half a pair, unusable keys, a damaged file, or none,
 * and where the environment and the operator's file have different pairs.
 */
export async function resolveCredentials(
  env: Env,
  directory: string,
  environment: Environment,
  { file, mayGenerate = true }: CredentialPlace = {},
): Promise<ResolvedCredentials> {
  const given = credentialsFromEnvironment(environment);
  if (given && file !== undefined) await refuseAnotherPair(env, given, file);
  if (given) return given;
  const path = file ?? `${directory}/${FILE_NAME}`;
  const saved = await readCredentialsFile(env, path);
  // Safety: a process that was killed may have left its name in a cache only, and clients keep the pair.
  if (saved && file === undefined) await keepNames(env.files, directory);
  if (saved) return { ...saved, origin: 'file', ...(file !== undefined && { secretFile: file }) };
  if (file !== undefined) throw noFile(file);
  if (mayGenerate) return generateCredentials(env, directory, path);
  throw new SettingsError(
    'The nodes of a cluster have one key pair, so it is not made by one of them. ' +
      'Set HOLDFAST_ACCESS_KEY and HOLDFAST_SECRET_KEY, or give --credentials-file.',
  );
}

/** Why: whoever names a file does not think of a variable, and would wonder why the keys of the file are wrong. */
async function refuseAnotherPair(
  env: Env,
  given: ResolvedCredentials,
  file: string,
): Promise<void> {
  const found = await readCredentialsFile(env, file);
  if (found === undefined) throw noFile(file);
  const isSame =
    found.accessKeyId === given.accessKeyId && found.secretAccessKey === given.secretAccessKey;
  if (isSame) return;
  throw new SettingsError(
    `${given.secretVariable} and --credentials-file ${file} have different key pairs: take one of them away.`,
  );
}

function noFile(file: string): SettingsError {
  return new SettingsError(`There is no file ${file} for --credentials-file.`);
}

/**
 * Refuses pairs that everybody knows, and short secrets, on an address that others may reach.
 * Throws a SettingsError.
 */
export function refuseWeakCredentials(credentials: Credentials, host: string): void {
  if (isLoopback(host)) return;
  const { accessKeyId, secretAccessKey } = credentials;
  const wellKnown = WELL_KNOWN_SECRETS.includes(secretAccessKey) || accessKeyId === secretAccessKey;
  if (!wellKnown && secretAccessKey.length >= 8) return;
  const reason = wellKnown ? 'is a well-known default' : 'is shorter than 8 characters';
  throw new SettingsError(
    `The secret key ${reason}, and ${host} can be reached from other machines. ` +
      'Choose a secret of your own in HOLDFAST_SECRET_KEY, or listen on 127.0.0.1.',
  );
}

/** Whether only this machine can connect to the address. Names other than localhost are taken as reachable. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare);
}

function credentialsFromEnvironment(environment: Environment): ResolvedCredentials | undefined {
  let found: ResolvedCredentials | undefined;
  for (const [keyName, secretName] of VARIABLE_PAIRS) {
    // An empty variable is one that a compose file passes on without a value: not set.
    const accessKeyId = environment[keyName] || undefined;
    const secretAccessKey = environment[secretName] || undefined;
    if (accessKeyId === undefined && secretAccessKey === undefined) continue;
    if (accessKeyId === undefined || secretAccessKey === undefined) {
      const [present, missing] =
        accessKeyId === undefined ? [secretName, keyName] : [keyName, secretName];
      throw new SettingsError(`${present} is set but ${missing} is not. Set both, or neither.`);
    }
    found ??= {
      ...checked({ accessKeyId, secretAccessKey }, `${keyName} and ${secretName}`),
      origin: 'environment',
      secretVariable: secretName,
    };
  }
  return found;
}

function checked(value: unknown, origin: string): Credentials {
  const result = credentialsSchema.safeParse(value);
  if (result.success) return result.data;
  const reason = result.error.issues[0]?.message ?? 'they are not readable';
  throw new SettingsError(`The keys in ${origin} cannot be used: ${reason}.`);
}

async function readCredentialsFile(env: Env, path: string): Promise<Credentials | undefined> {
  const text = await readTextFile(env, path, FILE_LIMIT_BYTES);
  if (text === undefined) return undefined;
  const value = parseJson(text);
  if (value === undefined) throw new SettingsError(`${path} cannot be used: it is not JSON.`);
  return checked(value, path);
}

async function generateCredentials(
  env: Env,
  directory: string,
  path: string,
): Promise<ResolvedCredentials> {
  const credentials: Credentials = {
    accessKeyId: `HF${randomText(env.random, 18, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}`,
    secretAccessKey: randomText(
      env.random,
      40,
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
    ),
  };
  await makeDurableDirectory(env.files, directory);
  const text = `${JSON.stringify(credentials, undefined, 2)}\n`;
  const won = await writeSecretOnce(env, directory, path, text);
  if (won) return { ...credentials, origin: 'generated' };
  const other = await readCredentialsFile(env, path);
  return other ? { ...other, origin: 'file' } : { ...credentials, origin: 'generated' };
}
