import { X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';
import type { KeyPair } from '../../src/tls/key-pair.ts';

/** A certificate that has issued itself, for 127.0.0.1 and a name. */
export function makeKeyPair(name: string): KeyPair {
  const made = generate([{ name: 'commonName', value: name }], {
    algorithm: 'sha256',
    keySize: 2048,
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: name },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  return { certificate: made.cert, key: made.private, leaf: new X509Certificate(made.cert) };
}
