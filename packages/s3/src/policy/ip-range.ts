/** An address as a number of `bits` (32 or 128). */
interface Address {
  readonly bits: number;
  readonly value: bigint;
}

/** The addresses that have the first `prefix` bits in common. */
interface Range {
  readonly address: Address;
  readonly prefix: number;
}

/** Whether an address lies in a range such as `192.0.2.0/24` or `2001:db8::/32`. What is neither lies nowhere. */
export function inIpRange(range: string, address: string): boolean {
  const from = parseRange(range);
  const asked = parseAddress(address);
  if (from === undefined || asked?.bits !== from.address.bits) return false;
  const shift = BigInt(asked.bits - from.prefix);
  return from.address.value >> shift === asked.value >> shift;
}

/** Whether a text is an address or a range. */
export function isIpRange(text: string): boolean {
  return text.split('/').length <= 2 && parseRange(text) !== undefined;
}

/**
 * Whether a range is so broad that it names nobody: broader than /8 of version 4, or /32 of version 6. What is no range
 * is as well.
 *
 * Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".
 */
export function isBroadRange(text: string): boolean {
  const range = parseRange(text);
  return range === undefined || range.prefix < (range.address.bits === 32 ? 8 : 32);
}

function parseRange(text: string): Range | undefined {
  const [base = '', length] = text.split('/');
  const address = parseAddress(base);
  if (address === undefined) return undefined;
  const prefix = length === undefined ? address.bits : readPrefix(length, address.bits);
  return prefix === undefined ? undefined : { address, prefix };
}

function readPrefix(text: string, bits: number): number | undefined {
  const prefix = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  return prefix <= bits ? prefix : undefined;
}

function parseAddress(text: string): Address | undefined {
  if (!text.includes(':')) {
    const value = parseVersion4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = parseVersion6(text);
  if (value === undefined) return undefined;
  // ::ffff:192.0.2.1 is how a socket for both versions shows a client of version 4.
  const mapped = value >> 32n === 0xffffn;
  return mapped ? { bits: 32, value: value & 0xffffffffn } : { bits: 128, value };
}

function parseVersion4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseVersion6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(readGroups);
  if (head === undefined) return undefined;
  if (halves.length === 2 && tail === undefined) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<bigint>(missing).fill(0n), ...(tail ?? [])];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

function readGroups(text: string): bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  for (const part of text.split(':')) {
    const version4 = part.includes('.') ? parseVersion4(part) : undefined;
    if (version4 !== undefined) groups.push(version4 >> 16n, version4 & 0xffffn);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}
