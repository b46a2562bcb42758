/**
 * The inner loop of CRC-64/NVME as a WebAssembly module, put together here from its instructions.
 *
 * Why not JavaScript: it has no fast 64-bit integers, and two words of 32 bits ask for twice the look-ups. Why no compiler
 * and no binary in the repository: these are 30 instructions, and so everybody can read what runs.
 *
 *     (func (export "run") (param $at i32) (param $end i32)
 *       ;; the sum is the word at SUM_AT
 *       ;; while 16 bytes are left: both words at $at, the first one with the sum in it, are looked up byte by byte
 *       ;; while a byte is left: sum = table[(sum ^ byte) & 255] ^ (sum >> 8))
 *
 * Source: Kounavis and Berry, "A Systematic Approach to Building
 * High Performance Software-based CRC Generators", with 16 tables.
 */
import { AT, END, get, i32, moduleOf, set, signed, unsigned, whileLeft } from './wasm-module.ts';

/** Bytes that are looked up at a time, each in a table of its own. */
export const CRC64_SLICES = 16;
const TABLE_BYTES: number = 256 * 8;
/** Of the memory: the tables, the running sum behind them, then a page for the bytes. */
export const CRC64_SUM_AT: number = CRC64_SLICES * TABLE_BYTES;
export const CRC64_INPUT_AT = 65_536;
export const CRC64_INPUT_BYTES = 65_536;

const I64 = 0x7e;
const XOR = 0x85;
const SHIFT_LEFT = 0x86;
const SHIFT_RIGHT = 0x88;
const TO_I32 = 0xa7;
const AND_I32 = 0x71;

/** Locals. */
const SUM = 2;
const NEXT = 3;

const i64 = (value: number): number[] => [0x42, ...signed(value)];
const load64 = (offset: number): number[] => [0x29, 0, ...unsigned(offset)];
const load8 = [0x31, 0, 0];
const store64 = [0x37, 0, 0];

/** What byte `byte` of a local adds to the sum when `slice` bytes follow it. */
function lookUp(local: number, byte: number, slice: number): number[] {
  // Eight times the byte, which is where its entry is in the table.
  const shift = byte === 0 ? [...i64(3), SHIFT_LEFT] : [...i64(8 * byte - 3), SHIFT_RIGHT];
  const entry = [...get(local), ...shift, TO_I32, ...i32(0x7f8), AND_I32];
  return [...entry, ...load64(slice * TABLE_BYTES)];
}

/** What all eight bytes of a local add, as 8 or 0 other bytes follow them. */
function lookUpWord(local: number, followedBy: number): number[] {
  const bytes = [0, 1, 2, 3, 4, 5, 6, 7];
  return bytes.flatMap((byte) => [
    ...lookUp(local, byte, 7 - byte + followedBy),
    ...(byte === 0 ? [] : [XOR]),
  ]);
}

/** Why the second word first: its look-ups need not wait for the sum. */
const addSixteen: readonly number[] = [
  ...get(AT),
  ...load64(8),
  ...set(NEXT),
  ...get(AT),
  ...load64(0),
  ...get(SUM),
  XOR,
  ...set(SUM),
  ...lookUpWord(NEXT, 0),
  ...lookUpWord(SUM, 8),
  XOR,
  ...set(SUM),
];

const addOne: readonly number[] = [
  ...get(AT),
  ...load8,
  ...get(SUM),
  XOR,
  ...set(NEXT),
  ...lookUp(NEXT, 0, 0),
  ...get(SUM),
  ...i64(8),
  SHIFT_RIGHT,
  XOR,
  ...set(SUM),
];

/** SUM and NEXT. */
const locals: readonly number[] = [1, 2, I64];
const readSum: readonly number[] = [...i32(CRC64_SUM_AT), ...load64(0), ...set(SUM)];
const writeSum: readonly number[] = [...i32(CRC64_SUM_AT), ...get(SUM), ...store64];

/** The module's bytes. `run` adds the bytes of the memory in `[at, end)` to the sum. */
export function crc64Module(): Uint8Array<ArrayBuffer> {
  const code = [
    ...locals,
    ...readSum,
    ...whileLeft(16, addSixteen),
    ...whileLeft(1, addOne),
    ...writeSum,
    END,
  ];
  return moduleOf(code, CRC64_INPUT_AT + CRC64_INPUT_BYTES);
}
