import { createHmac } from 'node:crypto';
import type { CipherSeal, Ciphers } from '../ciphers.ts';
import { openBytes, openOver, sealBytes, sealOver } from './aes-gcm.ts';

/** `Ciphers` on the calling thread alone: of tests, and of environments without threads. */
export class ThreadCiphers implements Ciphers {
  deriveKey(key: Uint8Array, purpose: Uint8Array): Uint8Array {
    return createHmac('sha256', key).update(purpose).digest();
  }

  seal(seal: CipherSeal, plain: Uint8Array): Uint8Array {
    return sealBytes(seal, plain);
  }

  open(seal: CipherSeal, sealed: Uint8Array): Uint8Array | undefined {
    return openBytes(seal, sealed);
  }

  async sealInPlace(seal: CipherSeal, bytes: Uint8Array): Promise<void> {
    sealOver(seal, bytes);
  }

  async openInPlace(seal: CipherSeal, bytes: Uint8Array): Promise<boolean> {
    return openOver(seal, bytes);
  }
}
