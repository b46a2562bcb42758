/**
 * What the WebAssembly modules that are put together here from their instructions have in common: each has a memory and one
 * function of two numbers.
 *
 * Source: WebAssembly Core Specification, section 5, "Binary Format".
 */

/** Part of the global of that name; the types of Node.js leave it to those of the browser. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean;
};

/** What an instance exports. */
export interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly run: (at: number, end: number) => void;
}

const I32 = 0x7f;
export const END = 0x0b;
const ADD_I32 = 0x6a;
const NOTHING = 0x40;
const GREATER_I32 = 0x4b;
const PAGE_BYTES = 65_536;
const magicAndVersion: readonly number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** The parameters: a place in memory, and where to end. */
export const AT = 0;
const LAST = 1;

export const get = (local: number): number[] => [0x20, local];
export const set = (local: number): number[] => [0x21, local];
export const i32 = (value: number): number[] => [0x41, ...signed(value)];

/** Repeats `body`, which moves on by `step` bytes, while there are as many. */
export function whileLeft(step: number, body: readonly number[]): number[] {
  const tooFew = [...get(AT), ...i32(step), ADD_I32, ...get(LAST), GREATER_I32, 0x0d, 1];
  const move = [...get(AT), ...i32(step), ADD_I32, ...set(AT)];
  return [0x02, NOTHING, 0x03, NOTHING, ...tooFew, ...body, ...move, 0x0c, 0, END, END];
}

/** The bytes of a module whose function has this code, locals first, and whose memory has at least so many bytes. */
export function moduleOf(code: readonly number[], memoryBytes: number): Uint8Array<ArrayBuffer> {
  const pages = Math.ceil(memoryBytes / PAGE_BYTES);
  return Uint8Array.from([
    ...magicAndVersion,
    ...section(1, [1, 0x60, 2, I32, I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, pages, pages]),
    ...section(7, [2, ...named('memory'), 2, 0, ...named('run'), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/** Whether this machine runs the module: not all have instructions on several numbers at once. */
export function isRunnable(module: Uint8Array<ArrayBuffer>): boolean {
  return WebAssembly.validate(module);
}

export function instantiate(module: Uint8Array<ArrayBuffer>): WasmExports {
  return new WebAssembly.Instance(new WebAssembly.Module(module)).exports as WasmExports;
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function named(name: string): number[] {
  return [name.length, ...Array.from(name, (char) => char.charCodeAt(0))];
}

/** LEB128. */
export function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

/** LEB128 of a number that is not negative, in which bit 6 of the last byte is the sign. */
export function signed(value: number): number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...signed(value >>> 7)];
}
