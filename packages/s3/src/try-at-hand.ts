/**
 * In a cluster a read of what is so now asks the other nodes, and a write asks them too. A small write is therefore tried
 * first on what this node has at hand, which may be old: then it asks once.
 *
 * Safety: the try may end in nothing but a commit, whose transaction asks for the very bucket by which the request was
 * authorized and for the very object on which its conditions were judged. Every refusal, and every answer that needs no
 * commit, is thrown away, and the request begins anew on what is so now.
 */
import { ObjectStoreError } from '@holdfast/objects';
import { authorize } from './access/authorize.ts';
import type { NamedOperation } from './dispatch.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';

/**
 * A body up to this, in bytes as they are sent, is kept in memory while the request is tried. As much is put in one transaction: a
 * chunk, and the frames around it where the client sends it in frames.
 */
const KEPT_BODY_BYTES = (1024 + 16) * 1024;

/** Whether the request was answered. */
export async function tryAtHand(call: S3Call, { name, run }: NamedOperation): Promise<boolean> {
  const { local } = call.service.store;
  if (local === undefined || !mayTry(call, name)) return false;
  call.store = local;
  call.isProven = false;
  call.body.keep();
  try {
    await authorize(call, name);
    await run(call);
    call.body.forget();
    return true;
  } catch (error) {
    const isRefusal = error instanceof ObjectStoreError || error instanceof S3Error;
    // What else went wrong is no judgement: a lost majority, or a client that left.
    if (!isRefusal || call.res.headersSent) throw error;
    call.body.rewind();
    return false;
  }
}

/** From here on the request sees everything that was committed when it came. */
export async function makeCurrent(call: S3Call): Promise<void> {
  const { store } = call.service;
  call.isProven = true;
  call.store = store.local ?? store;
  await store.local?.whenCurrent();
}

function mayTry(call: S3Call, name: string): boolean {
  if (name === 'DeleteObject') return true;
  // Why not where the client waits for 100 Continue: whoever may not write is told so before the body comes.
  if (name !== 'PutObject' || call.body.continueDue) return false;
  return Number(call.headers.get('content-length') ?? Number.NaN) <= KEPT_BODY_BYTES;
}
