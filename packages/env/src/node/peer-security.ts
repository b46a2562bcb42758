import { readFile } from 'node:fs/promises';
import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import { NetworkError } from '../network.ts';
import { SharedSecret } from './shared-secret.ts';

/** Authenticated encryption that both kinds use: with a key known before, TLS 1.3 takes SHA-256 suites only. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256';
const IDENTITY_SEPARATOR = '>';

/** Who speaks to whom, as this side sees it. */
export interface Parties {
  readonly clusterId: string;
  readonly from: string;
  readonly to: string;
}

/** PEM texts: the authority that both sides trust, and this node's own certificate, which names its node id. */
export interface CertificateTexts {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** TLS options that are the same however nodes prove themselves. */
const COMMON = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: CIPHERS,
} as const satisfies TlsOptions & ConnectionOptions;

/**
 * How nodes prove to each other who they are. `serverOptions` and `clientOptions` are what TLS needs; `proves` says
 * after a handshake whether the peer may use a name.
 */
export interface PeerSecurity {
  serverOptions(clusterId: string, nodeId: string): TlsOptions;
  clientOptions(parties: Parties): ConnectionOptions;
  proves(socket: TLSSocket, name: string): boolean;
}

/**
 * Nodes know one secret. TLS 1.3 with an external key (RFC 8446 section 4.2.11) and an ephemeral exchange: both
 * sides prove that they know the key over fresh randomness of both, so nothing recorded can be said again, and who
 * learns the secret later reads nothing recorded. The key is derived for the cluster and the two nodes.
 */
export function secretSecurity(secret: SharedSecret): PeerSecurity {
  const nameOf = new WeakMap<TLSSocket, string>();
  return {
    serverOptions: (clusterId, nodeId) => ({
      ...COMMON,
      pskCallback: (socket, identity) => {
        const [from = '', to = '', ...more] = identity.split(IDENTITY_SEPARATOR);
        if (to !== nodeId || more.length > 0) return null;
        nameOf.set(socket as TLSSocket, from);
        return secret.connectionKey(clusterId, from, to);
      },
    }),
    clientOptions: ({ clusterId, from, to }) => ({
      ...COMMON,
      pskCallback: () => ({
        psk: secret.connectionKey(clusterId, from, to),
        identity: `${from}${IDENTITY_SEPARATOR}${to}`,
      }),
      // There is no certificate: who knows the key is the node.
      checkServerIdentity: () => undefined,
    }),
    proves: (socket, name) => nameOf.get(socket) === name,
  };
}

/** Nodes have certificates of one authority that name their node ids (subject alternative names). */
export function certificateSecurity(texts: CertificateTexts): PeerSecurity {
  const own = { ca: texts.authority, cert: texts.certificate, key: texts.key };
  return {
    serverOptions: () => ({ ...COMMON, ...own, requestCert: true, rejectUnauthorized: true }),
    clientOptions: ({ to }) => ({
      ...COMMON,
      ...own,
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(to, certificate),
    }),
    proves: (socket, name) =>
      socket.authorized && checkServerIdentity(name, socket.getPeerCertificate()) === undefined,
  };
}

export type SecurityFiles =
  | { readonly secretFile: string }
  | { readonly authorityFile: string; readonly certificateFile: string; readonly keyFile: string };

/** Reads what the configuration names. SECURITY_INVALID, with the path and never the content. */
export async function loadPeerSecurity(files: SecurityFiles): Promise<PeerSecurity> {
  if ('secretFile' in files) return secretSecurity(await SharedSecret.fromFile(files.secretFile));
  const [authority, certificate, key] = await Promise.all(
    [files.authorityFile, files.certificateFile, files.keyFile].map(readText),
  );
  const texts = { authority: authority ?? '', certificate: certificate ?? '', key: key ?? '' };
  return certificateSecurity(texts);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new NetworkError('SECURITY_INVALID', `the file cannot be read: ${path}`, { cause });
  }
}
