import { hkdfSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { NetworkError } from '../network.ts';

/** Below it a secret can be guessed from one recorded handshake. */
const MIN_SECRET_BYTES = 32;
const KEY_BYTES = 32;
const CLUSTER_ID_BYTES = 16;

/** What all nodes of a cluster know and nobody else. Private: neither JSON nor an inspector shows it. */
export class SharedSecret {
  readonly #bytes: Uint8Array;

  /** SECURITY_INVALID below 32 bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length < MIN_SECRET_BYTES) {
      const message = `the shared secret has ${bytes.length} bytes; ${MIN_SECRET_BYTES} are the least`;
      throw new NetworkError('SECURITY_INVALID', message);
    }
    this.#bytes = bytes.slice();
  }

  /** Reads the file, without white space at its ends. SECURITY_INVALID where it cannot or is too short. */
  static async fromFile(path: string): Promise<SharedSecret> {
    let text: string;
    try {
      text = await readFile(path, 'latin1');
    } catch (cause) {
      const message = `the shared secret cannot be read: ${path}`;
      throw new NetworkError('SECURITY_INVALID', message, { cause });
    }
    return new SharedSecret(Buffer.from(text.trim(), 'latin1'));
  }

  /**
   * What a cluster is called that begins with this secret: 32 hexadecimal digits, the same on every node. It says
   * nothing about the secret.
   */
  clusterId(): string {
    const bytes = hkdfSync('sha256', this.#bytes, '', 'holdfast cluster id 1', CLUSTER_ID_BYTES);
    return Buffer.from(bytes).toString('hex');
  }

  /** The key for connections from one node of one cluster to another, and for no others. */
  connectionKey(clusterId: string, from: string, to: string): Uint8Array {
    const info = JSON.stringify(['holdfast peer 1', from, to]);
    return new Uint8Array(hkdfSync('sha256', this.#bytes, clusterId, info, KEY_BYTES));
  }
}
