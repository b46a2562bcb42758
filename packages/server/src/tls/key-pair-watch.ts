import type { Env } from '@holdfast/env';
import type { Log } from '../log.ts';
import { type PeriodicPass, startPeriodicPass } from '../periodic-pass.ts';
import { type KeyPair, type KeyPairFiles, readKeyPair } from './key-pair.ts';

/** A renewed certificate is used within this. */
const INTERVAL_MS = 60_000;

export interface KeyPairWatchOptions {
  readonly env: Env;
  readonly log: Log;
  readonly files: KeyPairFiles;
  /** The pair in use. */
  readonly pair: KeyPair;
  /** Connections that come after it get the new one. */
  readonly onRenewal: (pair: KeyPair) => void;
  /** Default 60 s. */
  readonly intervalMs?: number;
}

/**
 * Looks again and again whether the files were replaced, as who renews a certificate does. While they do not fit each other, or
 * cannot be used, the pair before them stays in use, and the log says so.
 */
export function watchKeyPair(options: KeyPairWatchOptions): PeriodicPass {
  const { env, log, files, onRenewal, intervalMs = INTERVAL_MS } = options;
  let current = options.pair;
  reportKeyPair(log, env, current);
  return startPeriodicPass({
    clock: env.clock,
    log,
    name: 'reading the certificate anew',
    intervalMs,
    run: async () => {
      const found = await readKeyPair(env, files);
      if (found.certificate === current.certificate && found.key === current.key) return;
      onRenewal(found);
      current = found;
      reportKeyPair(log, env, found);
    },
  });
}

function reportKeyPair(log: Log, { clock }: Env, { leaf }: KeyPair): void {
  const { subjectAltName: names, validFromDate, validToDate } = leaf;
  const fields = { names, validTo: validToDate.toISOString() };
  const nowMs = clock.nowMs();
  if (nowMs > validToDate.getTime()) log.warn(fields, 'the certificate has expired');
  else if (nowMs < validFromDate.getTime()) log.warn(fields, 'the certificate is not valid yet');
  else log.info(fields, 'certificate in use');
}
