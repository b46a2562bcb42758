import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Env } from '@holdfast/env';
import { SettingsError } from '../settings-error.ts';
import { readTextFile } from '../text-file.ts';

/** A chain of some certificates has a few KiB. */
const FILE_LIMIT_BYTES = 1024 * 1024;

/** Where a server's certificate and its key are, in `env.files`. */
export interface KeyPairFiles {
  /** PEM: the server's own certificate first, those that issued it behind it. */
  readonly certificatePath: string;
  /** PEM, without a passphrase. */
  readonly keyPath: string;
}

/** What a server proves itself with, read and compared. Never in a log. */
export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  /** Of the first certificate. */
  readonly leaf: X509Certificate;
}

/** Throws a SettingsError for what cannot be used, which never has what is in the file of the key. */
export async function readKeyPair(env: Env, files: KeyPairFiles): Promise<KeyPair> {
  const { certificatePath, keyPath } = files;
  const [certificate, key] = await Promise.all([
    readNeeded(env, certificatePath, 'certificate'),
    readNeeded(env, keyPath, 'private key'),
  ]);
  const leaf = certificateOf(certificate, certificatePath);
  if (!leaf.checkPrivateKey(privateKeyOf(key, keyPath))) {
    throw new SettingsError(
      `The key in ${keyPath} is not that of the first certificate in ${certificatePath}. ` +
        'The server’s own certificate comes first, those that issued it behind it.',
    );
  }
  try {
    createSecureContext({ cert: certificate, key });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingsError(`${certificatePath} and ${keyPath} cannot be used for TLS: ${reason}.`);
  }
  return { certificate, key, leaf };
}

async function readNeeded(env: Env, path: string, what: string): Promise<string> {
  const text = await readTextFile(env, path, FILE_LIMIT_BYTES);
  if (text === undefined) throw new SettingsError(`There is no ${what} ${path}.`);
  return text;
}

function certificateOf(text: string, path: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw new SettingsError(
      `${path} has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----.`,
    );
  }
}

function privateKeyOf(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // The first line of such a key, or its second, says so; OpenSSL's error does not.
    throw new SettingsError(
      text.includes('ENCRYPTED')
        ? `The key in ${path} has a passphrase. Store it without one, readable by the server's user only.`
        : `${path} has no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----.`,
    );
  }
}
