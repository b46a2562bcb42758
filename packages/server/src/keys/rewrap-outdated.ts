import type { KvStore } from '@holdfast/kv';
import type { ObjectStore } from '@holdfast/objects';
import type { Log } from '../log.ts';
import { forgetUse, type UsedKey } from './key-usage.ts';

export interface RewrapOptions {
  readonly objects: Pick<ObjectStore, 'rewrapKeys'>;
  readonly kv: KvStore;
  readonly log: Log;
  readonly outdated: readonly UsedKey[];
}

/** After a rotation: seals data keys anew in the background, and says when the older versions may go. */
export function startRewrap(options: RewrapOptions): { stop(): Promise<void> } {
  let isStopping = false;
  const running = rewrap(options, () => isStopping).catch((err: unknown) => {
    options.log.error(
      { err },
      'data keys could not be sealed anew; the next start goes on with it',
    );
  });
  return {
    stop: async () => {
      isStopping = true;
      await running;
    },
  };
}

async function rewrap(options: RewrapOptions, shouldStop: () => boolean): Promise<void> {
  const { objects, kv, log, outdated } = options;
  const { rewrapped, failed, whole } = await objects.rewrapKeys(shouldStop);
  if (!whole) return;
  // They open with no key of the files, so they need the older ones no more than the others do.
  if (failed > 0) log.warn({ failed }, 'some data keys open with no key: their objects are lost');
  for (const used of outdated) await forgetUse(kv, used);
  log.info(
    { rewrapped, unused: outdated.map(({ keyId, fingerprint }) => `${keyId} ${fingerprint}`) },
    'all data keys that open are sealed with the present keys: the unused ones may leave the key files',
  );
}
