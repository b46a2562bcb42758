import type { Model, Operation } from './operation.ts';

/** What an object store does to one key. A value stands for its ETag or version: no two puts give the same one. */
export type RegisterCall =
  | { readonly kind: 'get'; readonly ifMatch?: string; readonly ifNoneMatch?: string }
  | {
      readonly kind: 'put';
      readonly value: string;
      readonly ifMatch?: string;
      /** If-None-Match: * */
      readonly ifAbsent?: true;
    }
  | { readonly kind: 'delete'; readonly ifMatch?: string };

export type RegisterResult =
  | { readonly kind: 'found'; readonly value: string }
  /** There is no such key: 404. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'written' }
  | { readonly kind: 'deleted' }
  /** The condition did not hold: 412. */
  | { readonly kind: 'refused' }
  /** The value is the one of If-None-Match: 304. */
  | { readonly kind: 'unchanged' };

/** The value of the key; null where there is none. */
export type RegisterState = string | null;

/** A register with conditional puts and deletes, as the conditional requests of S3. */
export const registerModel: Model<RegisterState, RegisterCall, RegisterResult> = {
  initial: null,
  apply,
  identify: (state) => (state === null ? '' : `=${state}`),
  isRead: (call, result) =>
    call.kind === 'get' || result?.kind === 'refused' || result?.kind === 'absent',
  overwrites: (call) => call.kind !== 'get' && call.ifMatch === undefined && !isCreate(call),
  startStates,
  describe: (call, result) => `${describeCall(call)} -> ${describeResult(result)}`,
};

function apply(
  state: RegisterState,
  call: RegisterCall,
  result: RegisterResult | undefined,
): RegisterState | undefined {
  const isMet = holds(state, call);
  const after = isMet ? leaves(state, call) : state;
  if (result === undefined) return after;
  return explains(state, call, isMet, result) ? after : undefined;
}

function holds(state: RegisterState, call: RegisterCall): boolean {
  if (isCreate(call) && state !== null) return false;
  if (call.kind === 'get' && state !== null && call.ifNoneMatch === state) return false;
  return call.ifMatch === undefined || call.ifMatch === state;
}

function isCreate(call: RegisterCall): boolean {
  return call.kind === 'put' && call.ifAbsent === true;
}

function leaves(state: RegisterState, call: RegisterCall): RegisterState {
  if (call.kind === 'put') return call.value;
  return call.kind === 'delete' ? null : state;
}

function explains(
  state: RegisterState,
  call: RegisterCall,
  isMet: boolean,
  result: RegisterResult,
): boolean {
  switch (result.kind) {
    case 'found':
      return call.kind === 'get' && isMet && state === result.value;
    case 'absent':
      return state === null && (call.kind === 'get' || call.ifMatch !== undefined);
    case 'written':
      return call.kind === 'put' && isMet;
    case 'deleted':
      return call.kind === 'delete' && isMet;
    case 'unchanged':
      return call.kind === 'get' && state !== null && call.ifNoneMatch === state;
    case 'refused':
      return !isMet && !(call.kind === 'get' && call.ifMatch === undefined);
  }
}

/** Values that the window does not name are all alike in it: one of them stands for the rest. */
function startStates(
  earlier: readonly RegisterCall[],
  window: readonly Operation<RegisterCall, RegisterResult>[],
): RegisterState[] {
  const named = new Set(window.flatMap(({ call, result }) => namedBy(call, result)));
  const states = new Set<RegisterState>([null]);
  let hasOther = false;
  for (const call of earlier) {
    if (call.kind !== 'put') continue;
    if (!named.has(call.value) && hasOther) continue;
    hasOther ||= !named.has(call.value);
    states.add(call.value);
  }
  return [...states];
}

function namedBy(call: RegisterCall, result: RegisterResult | undefined): string[] {
  const names = [
    call.kind === 'put' ? call.value : undefined,
    call.kind === 'get' ? call.ifNoneMatch : undefined,
    call.ifMatch,
    result?.kind === 'found' ? result.value : undefined,
  ];
  return names.filter((name) => name !== undefined);
}

function describeCall(call: RegisterCall): string {
  const words: string[] = [call.kind];
  if (call.kind === 'put') words.push(call.value);
  if (isCreate(call)) words.push('if absent');
  if (call.ifMatch !== undefined) words.push(`if ${call.ifMatch}`);
  if (call.kind === 'get' && call.ifNoneMatch !== undefined)
    words.push(`if not ${call.ifNoneMatch}`);
  return words.join(' ');
}

function describeResult(result: RegisterResult | undefined): string {
  if (result === undefined) return 'no answer';
  return result.kind === 'found' ? result.value : result.kind;
}
