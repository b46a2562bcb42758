/**
 * MD5 of four messages at once as a WebAssembly module. Why: each step of MD5 waits for the one before, so that one message
 * leaves most of a processor idle; four side by side, a word of each in one register, take little longer than one.
 *
 *     (func (export "run") (param $at i32) (param $end i32)
 *       ;; while 64 bytes are left: a block of each lane, at $at of its input, is added to its state)
 *
 * Source: RFC 1321; WebAssembly Core Specification, section 5.4.8, "Vector Instructions".
 */
import { AT, END, get, i32, moduleOf, set, unsigned, whileLeft } from './wasm-module.ts';

export const MD5_LANES = 4;
export const MD5_BLOCK_BYTES = 64;
/** Of the memory: the 64 constants of the steps, the state (each of its words for all lanes), then the input of each lane. */
export const MD5_STATE_AT = 256;
export const MD5_INPUT_AT = 512;
/** From the input of one lane to that of the next. Why not a power of two: lanes would compete for places in the cache. */
export const MD5_LANE_BYTES: number = 16_384 + 2 * MD5_BLOCK_BYTES;

const V128 = 0x7b;
const WORD_BYTES = 4;
const vector = (code: number): number[] => [0xfd, ...unsigned(code)];
const ADD = vector(0xae);
const AND = vector(0x4e);
const AND_NOT = vector(0x4f);
const OR = vector(0x50);
const XOR = vector(0x51);
const NOT = vector(0x4d);
const SHIFT_LEFT = vector(0xab);
const SHIFT_RIGHT = vector(0xad);
const load = (offset: number): number[] => [...vector(0x00), 0, ...unsigned(offset)];
const loadToAll = (offset: number): number[] => [...vector(0x09), 0, ...unsigned(offset)];
const store: readonly number[] = [...vector(0x0b), 0, 0];

/** Locals: the state, the state before the block, four for the transposition, the sixteen words of the block, a sum. */
const STATE = 2;
const BEFORE = 6;
const ROW = 10;
const WORD = 14;
const SUM = 30;

const SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;

const forEach = (count: number, make: (at: number) => readonly number[]): number[] =>
  Array.from({ length: count }, (_, at) => make(at)).flat();

/** Puts together words 0 to 3 of one local and 4 to 7 of another. */
function pick(from: number, other: number, words: readonly number[], to: number): number[] {
  const bytes = words.flatMap((word) => [0, 1, 2, 3].map((byte) => word * WORD_BYTES + byte));
  return [...get(from), ...get(other), ...vector(0x0d), ...bytes, ...set(to)];
}

/** Reads four words of each lane, so that each of four locals has one word of all lanes. */
function readWords(group: number): number[] {
  const rows = forEach(MD5_LANES, (lane) => [
    ...get(AT),
    ...load(MD5_INPUT_AT + lane * MD5_LANE_BYTES + group * MD5_LANES * WORD_BYTES),
    ...set(ROW + lane),
  ]);
  const first = WORD + 4 * group;
  return [
    ...rows,
    // Words 0 and 1 of lanes 0 and 1, then words 2 and 3 of them; the same of lanes 2 and 3.
    ...pick(ROW, ROW + 1, [0, 4, 1, 5], first),
    ...pick(ROW, ROW + 1, [2, 6, 3, 7], first + 2),
    ...pick(ROW + 2, ROW + 3, [0, 4, 1, 5], ROW),
    ...pick(ROW + 2, ROW + 3, [2, 6, 3, 7], ROW + 2),
    ...pick(first, ROW, [2, 3, 6, 7], first + 1),
    ...pick(first, ROW, [0, 1, 4, 5], first),
    ...pick(first + 2, ROW + 2, [2, 3, 6, 7], first + 3),
    ...pick(first + 2, ROW + 2, [0, 1, 4, 5], first + 2),
  ];
}

/** Adds the function of a round to what is on the stack. `b` is what the step before made: what needs it comes last. */
function addFunction(round: number, b: number, c: number, d: number): number[] {
  switch (round) {
    case 0:
      return [...get(c), ...get(d), ...XOR, ...get(b), ...AND, ...get(d), ...XOR, ...ADD];
    case 1:
      return [...get(c), ...get(d), ...AND_NOT, ...ADD, ...get(b), ...get(d), ...AND, ...ADD];
    case 2:
      return [...get(c), ...get(d), ...XOR, ...get(b), ...XOR, ...ADD];
    default:
      return [...get(d), ...NOT, ...get(b), ...OR, ...get(c), ...XOR, ...ADD];
  }
}

function step(number: number): number[] {
  const round = number >> 4;
  const word = [number, 5 * number + 1, 3 * number + 5, 7 * number][round] as number;
  const role = (place: number): number => STATE + ((place + 64 - number) & 3);
  const [a, b, c, d] = [role(0), role(1), role(2), role(3)];
  const bits = SHIFTS[round]?.[number & 3] as number;
  const sum = [
    ...get(a),
    ...get(WORD + (word & 15)),
    ...ADD,
    ...i32(0),
    ...loadToAll(number * WORD_BYTES),
    ...ADD,
    ...addFunction(round, b, c, d),
    ...set(SUM),
  ];
  const rotated = [
    ...get(SUM),
    ...i32(bits),
    ...SHIFT_LEFT,
    ...get(SUM),
    ...i32(32 - bits),
    ...SHIFT_RIGHT,
    ...OR,
  ];
  return [...sum, ...rotated, ...get(b), ...ADD, ...set(a)];
}

const addBlock: readonly number[] = [
  ...forEach(4, readWords),
  ...forEach(4, (at) => [...get(STATE + at), ...set(BEFORE + at)]),
  ...forEach(64, step),
  ...forEach(4, (at) => [...get(STATE + at), ...get(BEFORE + at), ...ADD, ...set(STATE + at)]),
];

const stateAt = (at: number): number[] => i32(MD5_STATE_AT + at * MD5_LANES * WORD_BYTES);

const locals: readonly number[] = [1, SUM - STATE + 1, V128];

/** The module's bytes. `run` adds the blocks in `[at, end)` of the input of every lane. */
export function md5Module(): Uint8Array<ArrayBuffer> {
  const code = [
    ...locals,
    ...forEach(4, (at) => [...stateAt(at), ...load(0), ...set(STATE + at)]),
    ...whileLeft(MD5_BLOCK_BYTES, addBlock),
    ...forEach(4, (at) => [...stateAt(at), ...get(STATE + at), ...store]),
    END,
  ];
  return moduleOf(code, MD5_INPUT_AT + MD5_LANES * MD5_LANE_BYTES);
}
