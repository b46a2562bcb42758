import type { X509Certificate } from 'node:crypto';
import type { ResolvedCredentials } from './credentials.ts';
import { isLoopback } from './credentials.ts';
import type { ServeSettings } from './settings.ts';
import type { RunningServer } from './start-server.ts';
import type { KeyPairFiles } from './tls/key-pair.ts';
import { readVersion } from './version.ts';

/** What `holdfast serve` prints once it can be used: where it is, its keys, and a line to try it with. */
export async function welcomeText(
  server: RunningServer,
  settings: ServeSettings,
  directory: string,
  credentials: ResolvedCredentials,
  tls: KeyPairFiles | undefined,
): Promise<string> {
  const { certificate } = server;
  const host = connectHost(server.host);
  const endpoint =
    certificate === undefined
      ? `http://${host}:${server.port}`
      : `https://${certifiedHost(certificate, host)}:${server.port}`;
  // Why: others may read the output of a service.
  const secret = tellSecret(credentials, !isLoopback(server.host));
  const note =
    credentials.origin === 'generated' ? ' (made just now, kept in the data folder)' : '';
  const command = (await hasBuckets(server)) ? 's3 ls' : 's3 mb s3://my-bucket';
  return [
    `Holdfast ${await readVersion()} is ready.`,
    '',
    `  endpoint    ${endpoint}`,
    `  access key  ${credentials.accessKeyId}${note}`,
    `  secret key  ${secret.text}`,
    `  data        ${directory}`,
    '',
    'Paste this to try it:',
    '',
    `  ${trustOf(certificate, tls?.certificatePath ?? '')}AWS_ACCESS_KEY_ID=${shellWord(credentials.accessKeyId)} ` +
      `AWS_SECRET_ACCESS_KEY=${secret.word} ` +
      `AWS_DEFAULT_REGION=${settings.region} aws --endpoint-url ${endpoint} ${command}`,
    '',
    '',
  ].join('\n');
}

/** How a secret is told: to people, and as one word of a shell. `isHidden`: one that the operator has is not repeated. */
export function tellSecret(
  { secretAccessKey, secretVariable, secretFile }: ResolvedCredentials,
  isHidden: boolean,
): { readonly text: string; readonly word: string } {
  if (isHidden && secretVariable !== undefined) {
    return { text: `(the value of ${secretVariable})`, word: `"$${secretVariable}"` };
  }
  if (isHidden && secretFile !== undefined) {
    const script = 'JSON.parse(require("fs").readFileSync(0)).secretAccessKey';
    return {
      text: `(the secretAccessKey of ${secretFile})`,
      word: `"$(node -p '${script}' < ${shellWord(secretFile)})"`,
    };
  }
  return { text: secretAccessKey, word: shellWord(secretAccessKey) };
}

/** Whether there are any. A leader that was just lost does not keep the text from being printed. */
async function hasBuckets({ objects }: RunningServer): Promise<boolean> {
  return objects.listBuckets({ limit: 1 }).then(
    ({ buckets }) => buckets.length > 0,
    () => false,
  );
}

/** An address that a client on this machine can use. */
function connectHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** The host, where the certificate is for it; else the first name that it is for. */
function certifiedHost(certificate: X509Certificate, host: string): string {
  const address = host.replace(/^\[|\]$/g, '');
  const isCertified = certificate.checkIP(address) ?? certificate.checkHost(address);
  if (isCertified !== undefined) return host;
  const [, name] = /DNS:([A-Za-z0-9.-]+)/.exec(certificate.subjectAltName ?? '') ?? [];
  return name ?? host;
}

/** What makes a client trust a certificate that nobody else has issued. */
function trustOf(certificate: X509Certificate | undefined, path: string): string {
  const isSelfSigned = certificate?.checkIssued(certificate) === true;
  return isSelfSigned ? `AWS_CA_BUNDLE=${shellWord(path)} ` : '';
}

/** The text as one word of a shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
