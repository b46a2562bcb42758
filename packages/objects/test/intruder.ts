import type { KvStore } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';

type Step = 'get' | 'scan' | 'transact' | 'readView';

/** Runs `intrude` before the n-th call of a kind: what another process does in that very moment. */
function intruding(
  inner: KvStore,
  step: Step,
  at: number,
  intrude: () => Promise<unknown>,
): { readonly kv: KvStore; readonly reached: () => boolean } {
  let count = 0;
  // Calls of one process are applied in order, whatever comes in between.
  let before: Promise<unknown> = Promise.resolve();
  const kv = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== step) return value.bind(target);
      return (...args: unknown[]) => {
        const intrudes = count++ === at;
        const call = before.then(async () => {
          if (intrudes) await intrude();
          return await Reflect.apply(value, target, args);
        });
        before = call.catch(() => {});
        return call;
      };
    },
  });
  return { kv, reached: () => count > at };
}

/** Every moment at which another process can come in between. */
export async function atEveryMoment(
  run: (wrap: (intrude: () => Promise<unknown>) => KvStore, inner: KvStore) => Promise<void>,
): Promise<number> {
  let moments = 0;
  for (const step of ['get', 'scan', 'transact', 'readView'] as const) {
    for (let at = 0; ; at++) {
      const inner = createMemoryStore();
      let reached = (): boolean => false;
      await run((intrude) => {
        const intruded = intruding(inner, step, at, intrude);
        reached = intruded.reached;
        return intruded.kv;
      }, inner);
      if (!reached()) break;
      moments++;
    }
  }
  return moments;
}

/** `done`, or the code that the work was refused with. */
export const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: { code: string }) => error.code,
  );
