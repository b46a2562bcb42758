import { describeConflict } from './describe-conflict.ts';
import type { Conflict, Verdict } from './operation.ts';
import { operationsByKey } from './operation.ts';
import type { RegisterCall, RegisterResult } from './register-model.ts';
import { registerModel } from './register-model.ts';
import type { RegisterOperation, Version } from './version-chain.ts';
import { chainVersions } from './version-chain.ts';

type RegisterConflict = Conflict<RegisterCall, RegisterResult>;

/** Just after an event: the earliest moment at which something may have happened, and which operation says so. */
interface Bound {
  readonly after: number;
  readonly because: RegisterOperation | undefined;
}

const ALWAYS: Bound = { after: Number.NEGATIVE_INFINITY, because: undefined };

/**
 * Checks histories of any length of keys that are written by conditional puts alone (If-Match, If-None-Match: *), each
 * with a value of its own, as the ETags of different bodies are. There the conditions give the order of the versions
 * away, and what is left is to find a moment for each of them: the earliest that the operations allow is always a
 * good one, so it takes a sort and a pass. A key with other operations is undecided here; `checkLinearizable` takes
 * any.
 *
 * Source: Gibbons and Korach 1997, "Testing shared memories" (with the order of writes known); the use for
 * conditional writes follows D. Rystsov's "Fast Jepsen".
 */
export function checkVersionedRegisters(
  operations: readonly RegisterOperation[],
): Verdict<RegisterCall, RegisterResult> {
  const conflicts: RegisterConflict[] = [];
  const undecided: string[] = [];
  const reasons = new Set<string>();
  const byKey = operationsByKey(operations);
  for (const [key, list] of byKey) {
    const chain = chainVersions(list);
    if (chain.kind === 'unsuited') {
      undecided.push(key);
      reasons.add(chain.reason);
    } else if (chain.kind === 'violation') {
      conflicts.push(conflictOf(key, chain.rule, chain.operations));
    } else {
      const found = findMoments(chain.versions, chain.open);
      if (found !== undefined) {
        conflicts.push(conflictOf(key, 'versions were seen out of their order', found));
      }
    }
  }
  if (conflicts.length > 0) return { kind: 'violation', conflicts };
  if (undecided.length > 0) {
    return { kind: 'undecided', keys: undecided, reason: [...reasons].join('; ') };
  }
  return { kind: 'linearizable', keys: byKey.size, operations: operations.length };
}

/**
 * The earliest moment of every version, or the operations that leave none.
 *
 * A version begins after its write was invoked, after every read of the one before it was, and after the one
 * before it; it must begin before its write returns, and before any read of it does. A refused write that named a
 * version ran at a moment when it was not current: after its end, or before its beginning. Where even the earliest end
 * is too late, the beginning must have come after the refused write was invoked, which may move what follows; so
 * passes are made until nothing moves.
 */
function findMoments(
  versions: readonly Version[],
  open: RegisterOperation | undefined,
): RegisterOperation[] | undefined {
  const least = versions.map((version, at) => leastBound(version, versions[at - 1]));
  const openBound = open === undefined ? undefined : endAfter(versions.at(-1), open);
  for (;;) {
    const moments = settle(least);
    const wrong = firstTooLate(versions, moments);
    if (wrong !== undefined) return wrong;
    let hasMoved = false;
    for (const [at, version] of versions.entries()) {
      const end = moments[at + 1] ?? later(openBound, moments[at]);
      const moved = afterRefusals(version, moments[at] ?? ALWAYS, end);
      if (moved === undefined) continue;
      // The first version was always there: it cannot have begun later.
      if (version.write === undefined) return [moved.because, end?.because].filter(isThere);
      least[at] = moved;
      hasMoved = true;
    }
    if (!hasMoved) return undefined;
  }
}

/** Each version after the one before it. */
function settle(least: readonly Bound[]): Bound[] {
  const moments: Bound[] = [];
  for (const bound of least) moments.push(later(bound, moments.at(-1)) ?? bound);
  return moments;
}

function leastBound(version: Version, before: Version | undefined): Bound {
  return version.write === undefined ? ALWAYS : endAfter(before, version.write);
}

/** The earliest moment at which `write` can have replaced `before`. */
function endAfter(before: Version | undefined, write: RegisterOperation): Bound {
  let bound: Bound = { after: write.invokedAt, because: write };
  for (const read of before?.reads ?? []) {
    if (read.invokedAt > bound.after) bound = { after: read.invokedAt, because: read };
  }
  return bound;
}

function later(bound: Bound | undefined, than: Bound | undefined): Bound | undefined {
  if (bound === undefined || than === undefined) return bound;
  return than.after > bound.after ? than : bound;
}

function firstTooLate(
  versions: readonly Version[],
  moments: readonly Bound[],
): RegisterOperation[] | undefined {
  for (const [at, { write, reads }] of versions.entries()) {
    const moment = moments[at] ?? ALWAYS;
    for (const one of [...(write === undefined ? [] : [write]), ...reads]) {
      if (one.returnedAt > moment.after) continue;
      return [...new Set([moment.because, write, one].filter(isThere))];
    }
  }
  return undefined;
}

function afterRefusals(version: Version, moment: Bound, end: Bound | undefined): Bound | undefined {
  let moved = moment;
  for (const refusal of version.refusals) {
    const isExplained =
      moment.after >= refusal.invokedAt || (end?.after ?? Infinity) < refusal.returnedAt;
    if (!isExplained && refusal.invokedAt > moved.after) {
      moved = { after: refusal.invokedAt, because: refusal };
    }
  }
  return moved === moment ? undefined : moved;
}

function isThere(one: RegisterOperation | undefined): one is RegisterOperation {
  return one !== undefined;
}

function conflictOf(
  key: string,
  rule: string,
  involved: readonly RegisterOperation[],
): RegisterConflict {
  const operations = involved.toSorted((left, right) => left.invokedAt - right.invokedAt);
  const culprit = operations.reduce((last, one) =>
    one.returnedAt >= last.returnedAt ? one : last,
  );
  const conflict = { key, operations, culprit, fromAnyState: false, weighed: 0 };
  return { ...conflict, text: `${describeConflict(registerModel, conflict)}\n  ${rule}` };
}
