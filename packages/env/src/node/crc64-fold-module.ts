/**
 * Shortens a message for CRC-64/NVME without a change of its sum, as a WebAssembly module. A multiple of the polynomial with
 * seven terms, all of whole bytes, says that what a byte adds to the sum six bytes far behind it add as well: so it can be
 * moved there, sixteen bytes at a time, and no table is asked.
 *
 *     x^35984 + x^31400 + x^14000 + x^5816 + x^2840 + x^1224 + 1 is a multiple of the polynomial (a test divides it)
 *
 *     (func (export "run") (param $at i32) (param $end i32)
 *       ;; while 16 bytes are left: what the bytes at each distance before them were when they were moved is added to them.
 *       ;; $at and $end are those of the bytes less FOLD_REACH_BYTES)
 *
 * Source: Russell, "Chorba: A novel CRC32 implementation". The multiple was found as two sums of three powers that are the same.
 */
import { AT, END, get, moduleOf, unsigned, whileLeft } from './wasm-module.ts';

/** How far behind a byte those are that it is moved to. */
export const FOLD_DISTANCES = [573, 2748, 3771, 4143, 4345, 4498] as const;
export const FOLD_REACH_BYTES = 4498;
export const FOLD_STEP_BYTES = 16;
/** Of the memory: what was there before the piece that is being folded, then the piece. */
export const FOLD_INPUT_AT = 4608;
export const FOLD_MEMORY_BYTES = 131_072;

const vector = (code: number): number[] => [0xfd, ...unsigned(code)];
const XOR = vector(0x51);
const load = (offset: number): number[] => [...vector(0x00), 0, ...unsigned(offset)];
const store = (offset: number): number[] => [...vector(0x0b), 0, ...unsigned(offset)];
const NO_LOCALS = 0;

const foldSixteen: readonly number[] = [
  ...get(AT),
  ...get(AT),
  ...load(FOLD_REACH_BYTES),
  ...FOLD_DISTANCES.flatMap((distance) => [
    ...get(AT),
    ...load(FOLD_REACH_BYTES - distance),
    ...XOR,
  ]),
  ...store(FOLD_REACH_BYTES),
];

/** The module's bytes. */
export function crc64FoldModule(): Uint8Array<ArrayBuffer> {
  const code = [NO_LOCALS, ...whileLeft(FOLD_STEP_BYTES, foldSixteen), END];
  return moduleOf(code, FOLD_MEMORY_BYTES);
}
