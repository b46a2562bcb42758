import type { Operation } from './operation.ts';
import type { RegisterCall, RegisterResult, RegisterState } from './register-model.ts';

export type RegisterOperation = Operation<RegisterCall, RegisterResult>;

/** A version of a key: what wrote it, and what was seen of it. */
export interface Version {
  /** null: the key as it is before anything is written. */
  readonly value: RegisterState;
  /** undefined of the first version, which nothing wrote. */
  readonly write: RegisterOperation | undefined;
  /** Answered reads that found it. */
  readonly reads: RegisterOperation[];
  /** Conditional writes that named it as the one to replace, and were refused. */
  readonly refusals: RegisterOperation[];
}

export type ChainOutcome =
  | {
      readonly kind: 'chain';
      readonly versions: readonly Version[];
      readonly open?: RegisterOperation;
    }
  | { readonly kind: 'violation'; readonly rule: string; readonly operations: RegisterOperation[] }
  | { readonly kind: 'unsuited'; readonly reason: string };

/** An absent key that a condition names. */
const ABSENT = '';

/**
 * Puts the versions of one key in the order in which each replaced the one before, which the conditions of the writes
 * give away. Only of a key that is written by conditional puts alone, each with a value of its own; others are
 * `unsuited`.
 */
export function chainVersions(operations: readonly RegisterOperation[]): ChainOutcome {
  const writers = new Map<string, RegisterOperation>();
  for (const one of operations) {
    const reason = unsuited(one, writers);
    if (reason !== undefined) return { kind: 'unsuited', reason };
    if (one.call.kind === 'put') writers.set(one.call.value, one);
  }
  const happened = new Map<string, Version>([[ABSENT, emptyVersion(undefined)]]);
  for (const one of operations) {
    const seen = seenBy(one);
    const lost = seen === undefined ? undefined : follow(seen, one, writers, happened);
    if (lost !== undefined) return lost;
  }
  const successors = new Map<string, Version>();
  for (const version of happened.values()) {
    const { write } = version;
    if (write === undefined) continue;
    const other = successors.get(replacedBy(write))?.write;
    if (other !== undefined) {
      const rule = 'two writes replaced the same version';
      return { kind: 'violation', rule, operations: [other, write] };
    }
    successors.set(replacedBy(write), version);
  }
  return attach(operations, happened, inOrder(happened, successors));
}

function unsuited(
  one: RegisterOperation,
  writers: ReadonlyMap<string, RegisterOperation>,
): string | undefined {
  const { call, result } = one;
  if (call.kind === 'delete') return 'a delete leaves no version';
  if (call.kind === 'get') {
    const isPlain = call.ifMatch === undefined && call.ifNoneMatch === undefined;
    return isPlain ? undefined : 'a conditional get';
  }
  if (writers.has(call.value)) return `two puts of the value ${call.value}`;
  if (call.ifAbsent === true && call.ifMatch !== undefined) return 'a put with two conditions';
  if (call.ifAbsent !== true && call.ifMatch === undefined) return 'an unconditional put';
  return result?.kind === 'absent' ? 'a put that was answered with 404' : undefined;
}

/** The version that the answer proves; undefined where it proves none. */
function seenBy({ call, result }: RegisterOperation): string | undefined {
  if (call.kind === 'put' && result?.kind === 'written') return call.value;
  return result?.kind === 'found' ? result.value : undefined;
}

/** Takes a version that was seen, and all before it, for real. */
function follow(
  seen: string,
  witness: RegisterOperation,
  writers: ReadonlyMap<string, RegisterOperation>,
  happened: Map<string, Version>,
): ChainOutcome | undefined {
  for (let value = seen; !happened.has(value); ) {
    const write = writers.get(value);
    if (write === undefined || write.result?.kind === 'refused') {
      const rule = `nothing wrote the version ${value}`;
      const operations = write === undefined ? [witness] : [write, witness];
      return { kind: 'violation', rule, operations };
    }
    happened.set(value, emptyVersion(write));
    value = replacedBy(write);
  }
  return undefined;
}

function emptyVersion(write: RegisterOperation | undefined): Version {
  const value = write?.call.kind === 'put' ? write.call.value : null;
  return { value, write, reads: [], refusals: [] };
}

function replacedBy({ call }: RegisterOperation): string {
  return call.kind === 'get' ? ABSENT : (call.ifMatch ?? ABSENT);
}

function inOrder(
  happened: ReadonlyMap<string, Version>,
  successors: ReadonlyMap<string, Version>,
): Version[] {
  const versions: Version[] = [];
  let next = happened.get(ABSENT);
  while (next !== undefined) {
    versions.push(next);
    next = successors.get(next.value ?? ABSENT);
  }
  return versions;
}

/** Hands every read and refusal to its version, and finds the write that may have come after the last one. */
function attach(
  operations: readonly RegisterOperation[],
  happened: ReadonlyMap<string, Version>,
  versions: readonly Version[],
): ChainOutcome {
  if (versions.length < happened.size) {
    const inChain = new Set(versions);
    const outside = [...happened.values()].filter((version) => !inChain.has(version));
    const writes = outside.flatMap(({ write }) => write ?? []);
    return {
      kind: 'violation',
      rule: 'versions replaced each other in a circle',
      operations: writes,
    };
  }
  const last = versions.at(-1)?.value ?? ABSENT;
  let open: RegisterOperation | undefined;
  for (const one of operations) {
    const { call, result } = one;
    if (result?.kind === 'found') happened.get(result.value)?.reads.push(one);
    if (result?.kind === 'absent') happened.get(ABSENT)?.reads.push(one);
    if (call.kind !== 'put') continue;
    if (result?.kind === 'refused') happened.get(replacedBy(one))?.refusals.push(one);
    if (result === undefined && !happened.has(call.value) && replacedBy(one) === last) {
      open ??= one;
    }
  }
  const guessed = valueOf(open);
  const isGuess = operations.some(
    ({ call, result }) =>
      call.kind === 'put' && result?.kind === 'refused' && call.ifMatch === guessed,
  );
  if (guessed !== undefined && isGuess)
    return { kind: 'unsuited', reason: 'a condition names a version that nobody saw' };
  return { kind: 'chain', versions, ...(open === undefined ? {} : { open }) };
}

function valueOf(write: RegisterOperation | undefined): string | undefined {
  return write?.call.kind === 'put' ? write.call.value : undefined;
}
