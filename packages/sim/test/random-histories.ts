import fc from 'fast-check';
import type { RegisterCall, RegisterOperation, RegisterResult } from '../src/history/index.ts';
import { registerModel } from '../src/history/index.ts';

/** Numbers below a bound, that repeat with their seed. */
export type Dice = (bound: number) => number;

/** Source: mulberry32 of Tommy Ettinger. */
export function seededDice(seed: number): Dice {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % bound;
  };
}

export interface HistoryShape {
  readonly clients: number;
  readonly operations: number;
  /** Of a hundred operations, how many lose their answer; half of those happen. */
  readonly lostPercent: number;
  /** Only conditional puts, each of a value of its own, and plain gets. */
  readonly isVersioned: boolean;
}

/** What a right register would do with clients at once: every operation takes effect at one moment of its own. */
export function rightHistory(shape: HistoryShape, dice: Dice): RegisterOperation[] {
  const done: RegisterOperation[] = [];
  const running = new Map<number, RegisterOperation & { result: RegisterResult | undefined }>();
  let state: string | null = null;
  let now = 0;
  for (let begun = 0; begun < shape.operations || running.size > 0; ) {
    const client = dice(shape.clients);
    const one = running.get(client);
    now += 1;
    if (one === undefined) {
      if (begun === shape.operations) continue;
      begun += 1;
      const call = randomCall(shape, state, begun, dice);
      const isLost = dice(100) < shape.lostPercent;
      const fresh = { client: `c${client}`, key: 'k', call, invokedAt: now, returnedAt: Infinity };
      if (isLost && dice(2) === 0) done.push({ ...fresh, result: undefined });
      else running.set(client, { ...fresh, result: undefined, returnedAt: isLost ? Infinity : 0 });
    } else if (one.result === undefined) {
      one.result = answerOf(state, one.call);
      state = registerModel.apply(state, one.call, one.result) as string | null;
      if (one.returnedAt === 0) continue;
      done.push({ ...one, result: undefined });
      running.delete(client);
    } else {
      done.push({ ...one, returnedAt: now });
      running.delete(client);
    }
  }
  return done.sort((left, right) => left.invokedAt - right.invokedAt);
}

function randomCall(
  shape: HistoryShape,
  state: string | null,
  number: number,
  dice: Dice,
): RegisterCall {
  const kind = dice(10);
  if (kind < 4) return { kind: 'get' };
  const value = shape.isVersioned ? `v${number}` : `v${dice(4)}`;
  const guess = shape.isVersioned || dice(4) > 0 ? state : `v${dice(4)}`;
  if (!shape.isVersioned && kind === 4) return { kind: 'delete' };
  if (!shape.isVersioned && kind === 5) return { kind: 'put', value };
  return guess === null
    ? { kind: 'put', value, ifAbsent: true }
    : { kind: 'put', value, ifMatch: guess };
}

function answerOf(state: string | null, call: RegisterCall): RegisterResult {
  const answers: RegisterResult[] = [
    state === null ? { kind: 'absent' } : { kind: 'found', value: state },
    { kind: 'written' },
    { kind: 'deleted' },
    { kind: 'refused' },
  ];
  const fits = (answer: RegisterResult): boolean =>
    registerModel.apply(state, call, answer) !== undefined;
  return answers.find(fits) as RegisterResult;
}

/** A small right history, in which some answers may have been exchanged for others: right or wrong. */
export function smallHistories(isVersioned: boolean): fc.Arbitrary<RegisterOperation[]> {
  const seeds = fc.record({ seed: fc.integer(), size: fc.integer({ min: 1, max: 7 }) });
  return seeds.map(({ seed, size }) => {
    const dice = seededDice(seed);
    const shape = {
      clients: 1 + dice(4),
      operations: size,
      lostPercent: dice(3) * 20,
      isVersioned,
    };
    const history = rightHistory(shape, dice);
    for (let changes = dice(3); changes > 0; changes--) {
      const at = dice(history.length);
      const one = history[at] as RegisterOperation;
      history[at] = { ...one, result: one.result && otherAnswer(one.call, history, dice) };
    }
    return history;
  });
}

/** An answer to the call, whether or not it can be right. */
export function otherAnswer(
  call: RegisterCall,
  history: readonly RegisterOperation[],
  dice: Dice,
): RegisterResult {
  if (call.kind === 'delete') return { kind: 'deleted' };
  if (call.kind === 'put') {
    const isPlain = call.ifAbsent === undefined && call.ifMatch === undefined;
    return { kind: isPlain || dice(2) === 0 ? 'written' : 'refused' };
  }
  const values = history.flatMap(({ call: other }) => (other.kind === 'put' ? [other.value] : []));
  const value = values[dice(values.length + 1)];
  return value === undefined ? { kind: 'absent' } : { kind: 'found', value };
}
